#include "textflag.h"

// Y0 to Y3 are the sums of the four rows. Products are rounded before they are added, as Go does: a fused multiply-add would give other bits.

// func accumulateAVX2(sums *[tileRows][lanes]float64, w *[tileRows][tileCols]float64, x *float64, n int)
TEXT ·accumulateAVX2(SB), NOSPLIT, $0-32
	MOVQ sums+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ x+16(FP), DX
	MOVQ n+24(FP), CX
	VMOVUPD 0(DI), Y0
	VMOVUPD 32(DI), Y1
	VMOVUPD 64(DI), Y2
	VMOVUPD 96(DI), Y3
	XORQ AX, AX
four:
	VMOVUPD (DX)(AX*8), Y4
	VMULPD 0(SI)(AX*8), Y4, Y5    // rows are tileCols float64 apart
	VMULPD 2048(SI)(AX*8), Y4, Y6
	VMULPD 4096(SI)(AX*8), Y4, Y7
	VMULPD 6144(SI)(AX*8), Y4, Y8
	VADDPD Y5, Y0, Y0
	VADDPD Y6, Y1, Y1
	VADDPD Y7, Y2, Y2
	VADDPD Y8, Y3, Y3
	ADDQ $4, AX
	CMPQ AX, CX
	JLT four
	VMOVUPD Y0, 0(DI)
	VMOVUPD Y1, 32(DI)
	VMOVUPD Y2, 64(DI)
	VMOVUPD Y3, 96(DI)
	VZEROUPPER
	RET

// func accumulateBF16AVX2(sums *[tileRows][lanes]float64, w0, w1, w2, w3 *uint16, x *float64, n int)
TEXT ·accumulateBF16AVX2(SB), NOSPLIT, $0-56
	MOVQ sums+0(FP), DI
	MOVQ w0+8(FP), R8
	MOVQ w1+16(FP), R9
	MOVQ w2+24(FP), R10
	MOVQ w3+32(FP), R11
	MOVQ x+40(FP), DX
	MOVQ n+48(FP), CX
	MOVQ $0x8fffffffffffffff, BX  // what scaledBF16 keeps
	VMOVQ BX, X9
	VPBROADCASTQ X9, Y9
	VMOVUPD 0(DI), Y0
	VMOVUPD 32(DI), Y1
	VMOVUPD 64(DI), Y2
	VMOVUPD 96(DI), Y3
	XORQ AX, AX
four:
	VMOVUPD (DX)(AX*8), Y4
	VPMOVSXWQ (R8)(AX*2), Y5
	VPMOVSXWQ (R9)(AX*2), Y6
	VPMOVSXWQ (R10)(AX*2), Y7
	VPMOVSXWQ (R11)(AX*2), Y8
	VPSLLQ $45, Y5, Y5
	VPSLLQ $45, Y6, Y6
	VPSLLQ $45, Y7, Y7
	VPSLLQ $45, Y8, Y8
	VPAND Y9, Y5, Y5
	VPAND Y9, Y6, Y6
	VPAND Y9, Y7, Y7
	VPAND Y9, Y8, Y8
	VMULPD Y4, Y5, Y5
	VMULPD Y4, Y6, Y6
	VMULPD Y4, Y7, Y7
	VMULPD Y4, Y8, Y8
	VADDPD Y5, Y0, Y0
	VADDPD Y6, Y1, Y1
	VADDPD Y7, Y2, Y2
	VADDPD Y8, Y3, Y3
	ADDQ $4, AX
	CMPQ AX, CX
	JLT four
	VMOVUPD Y0, 0(DI)
	VMOVUPD Y1, 32(DI)
	VMOVUPD Y2, 64(DI)
	VMOVUPD Y3, 96(DI)
	VZEROUPPER
	RET

// Twice the values of the codes: 0, 1, 2, 3, 4, 6, 8, 12, and the same below zero.
DATA e2m1<>+0(SB)/8, $0x0c08060403020100
DATA e2m1<>+8(SB)/8, $0xf4f8fafcfdfeff00
GLOBL e2m1<>(SB), RODATA|NOPTR, $16

DATA nibbles<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA nibbles<>+8(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL nibbles<>(SB), RODATA|NOPTR, $16

// Four of the integers in a register, scaled; the others move up.
#define FOUR(bytes, at) \
	VPMOVSXBD bytes, X7; \
	VCVTDQ2PD X7, Y7; \
	VMULPD Y0, Y7, Y7; \
	VMOVUPD Y7, at(DI); \
	VPSRLDQ $4, bytes, bytes

// func decodeBlockAVX2(dst *[tensor.BlockValues]float64, codes *[tensor.BlockBytes]byte, half float64)
TEXT ·decodeBlockAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ codes+8(FP), SI
	VBROADCASTSD half+16(FP), Y0
	VMOVDQU (SI), X1
	VMOVDQU e2m1<>(SB), X2
	VMOVDQU nibbles<>(SB), X3
	VPSRLW $4, X1, X4
	VPAND X3, X1, X1       // the low nibbles, which come first
	VPAND X3, X4, X4
	VPUNPCKLBW X4, X1, X5
	VPUNPCKHBW X4, X1, X6
	VPSHUFB X5, X2, X5
	VPSHUFB X6, X2, X6
	FOUR(X5, 0)
	FOUR(X5, 32)
	FOUR(X5, 64)
	FOUR(X5, 96)
	FOUR(X6, 128)
	FOUR(X6, 160)
	FOUR(X6, 192)
	FOUR(X6, 224)
	VZEROUPPER
	RET
