// A Vulkan loader whose devices have SwiftShader's names: Chromium takes no other software renderer. It is put in the place of SwiftShader's
// library (tools/setup chromium-mesa), and VULKAN_LOADER is the real one.

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef void (*function)(void);
typedef function (*lookup)(void *instance, const char *name);
typedef void (*get)(void *device, uint32_t *properties);

static get properties, properties2;

// VkPhysicalDeviceProperties begins with apiVersion, driverVersion, vendorID and deviceID.
static void rename_device(uint32_t *words) {
  words[2] = 0x1AE0;
  words[3] = 0xC0DE;
}

static void get_properties(void *device, uint32_t *words) {
  properties(device, words);
  rename_device(words);
}

// VkPhysicalDeviceProperties2 has a type and a pointer before that.
static void get_properties2(void *device, uint32_t *words) {
  properties2(device, words);
  rename_device(words + 4);
}

function vkGetInstanceProcAddr(void *instance, const char *name) {
  static lookup loader;
  if (!loader) {
    void *library = dlopen(getenv("VULKAN_LOADER"), RTLD_NOW | RTLD_LOCAL);
    loader = library ? (lookup)dlsym(library, "vkGetInstanceProcAddr") : 0;
    if (!loader) return 0;
  }
  function f = loader(instance, name);
  if (f && strcmp(name, "vkGetPhysicalDeviceProperties") == 0) {
    properties = (get)f;
    return (function)get_properties;
  }
  if (f && (strcmp(name, "vkGetPhysicalDeviceProperties2") == 0 || strcmp(name, "vkGetPhysicalDeviceProperties2KHR") == 0)) {
    properties2 = (get)f;
    return (function)get_properties2;
  }
  return f;
}
