#include "node/loop/process_secrecy.h"

#include <cerrno>
#include <cstring>

#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace node {

void KeepProcessSecret() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) {
    spdlog::warn("core dumps cannot be switched off: {}", std::strerror(errno));
  }
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) {
    spdlog::warn("the process stays dumpable: {}", std::strerror(errno));
  }
}

void LockMemory(const void* data, unsigned long size) {
  if (size > 0 && ::mlock(data, size) != 0) {
    spdlog::debug("{} bytes of keys are not locked in memory: {}", size, std::strerror(errno));
  }
}

}  // namespace node
