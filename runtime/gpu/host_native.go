//go:build !js

package gpu

// crossings is 0: natively there are no calls between Go and JavaScript.
func (*rawDevice) crossings() int64 { return 0 }

// vendors names the makers of adapters by PCI id; Mesa's software renderer has the id of its Khronos registration.
var vendors = map[uint32]string{
	0x1002: "AMD", 0x106b: "Apple", 0x10de: "NVIDIA", 0x13b5: "Arm", 0x1414: "Microsoft", 0x5143: "Qualcomm", 0x8086: "Intel", 0x10005: "Mesa",
}
