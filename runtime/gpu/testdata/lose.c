// A Vulkan loader in front of the system's: the function named by LOSE reports a lost device from its call number LOSE_AT on, LOSE_TIMES times.
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef void (*function)(void);
typedef function (*lookup)(void *, const char *);

static lookup next_instance, next_device;
static const char *name;
static long calls, at, times;

static int lost(const char *called) {
  if (!name || strcmp(called, name)) return 0;
  long call = __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
  return call >= at && call - at < times;
}

enum { ERROR_DEVICE_LOST = -4 };

static int (*submit)(void *, uint32_t, const void *, void *);
static int lose_submit(void *queue, uint32_t n, const void *infos, void *fence) {
  return lost("vkQueueSubmit") ? ERROR_DEVICE_LOST : submit(queue, n, infos, fence);
}

static int (*wait)(void *, const void *, uint64_t);
static int lose_wait(void *device, const void *info, uint64_t timeout) {
  return lost("vkWaitSemaphores") ? ERROR_DEVICE_LOST : wait(device, info, timeout);
}

static int (*counter)(void *, void *, uint64_t *);
static int lose_counter(void *device, void *semaphore, uint64_t *value) {
  return lost("vkGetSemaphoreCounterValue") ? ERROR_DEVICE_LOST : counter(device, semaphore, value);
}

static function replace(const char *called, function f) {
  if (!f) return f;
  if (!strcmp(called, "vkQueueSubmit")) return submit = (void *)f, (function)lose_submit;
  if (!strncmp(called, "vkWaitSemaphores", 16)) return wait = (void *)f, (function)lose_wait;
  if (!strncmp(called, "vkGetSemaphoreCounterValue", 26)) return counter = (void *)f, (function)lose_counter;
  return f;
}

static function device_lookup(void *device, const char *called) { return replace(called, next_device(device, called)); }

function vkGetInstanceProcAddr(void *instance, const char *called) {
  if (!next_instance) {
    next_instance = (lookup)dlsym(dlopen(getenv("VULKAN"), RTLD_NOW | RTLD_LOCAL), "vkGetInstanceProcAddr");
    name = getenv("LOSE");
    at = atol(getenv("LOSE_AT"));
    times = atol(getenv("LOSE_TIMES"));
  }
  function f = next_instance(instance, called);
  if (f && !strcmp(called, "vkGetDeviceProcAddr")) return next_device = (lookup)f, (function)device_lookup;
  return replace(called, f);
}
