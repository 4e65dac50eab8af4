// Keeps the secrets in this process's memory from the disk.
#pragma once

namespace node {

// No core dumps (RLIMIT_CORE 0), and the process is not dumpable: neither a crash handler nor a
// debugger of the same user reads its memory. Before any secret is read; it cannot be undone by
// what runs later. Returns nothing: what the kernel refuses is logged.
void KeepProcessSecret();

// Pins [data, data + size) in memory, so that it is never written to swap, as far as the process's
// limit allows. For small keys.
void LockMemory(const void* data, unsigned long size);

}  // namespace node
