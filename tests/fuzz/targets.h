// The doors through which hostile bytes come in, one function each.
//
// libFuzzer drives them in a build with FUZZ (./waxseal fuzz); every other build replays the corpus
// of tests/fuzz/corpus and damaged copies of it. A target returns for any bytes; what must hold is
// CHECKed, and the sanitizers see the rest.
#pragma once

#include <string_view>
#include <vector>

#include "proto/base/bytes.h"

namespace fuzz {

struct Target {
  std::string_view name;
  void (*run)(proto::ByteSpan input);
  // Small inputs that reach deep, to begin with.
  std::vector<proto::Bytes> (*seeds)();
};

const std::vector<Target>& Targets();

// The groups of targets.
std::vector<Target> WireTargets();       // Decoders of proto/wire, records, specs.
std::vector<Target> EpochTargets();      // Synchronisation, ceremonies, gRPC's calls.
std::vector<Target> InterfaceTargets();  // JSON-RPC, HTTP, peers' frames.
std::vector<Target> ModelTargets();      // Files of models.
std::vector<Target> MachineTargets();    // Consensus and ledger under scripts of hostile input.

proto::Bytes AsSeed(std::string_view text);

// Takes an input apart. After its end all is zero.
class Script {
 public:
  explicit Script(proto::ByteSpan bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  std::uint8_t Byte();
  std::uint64_t Number();                    // Eight bytes.
  std::uint64_t Below(std::uint64_t bound);  // One byte, or two when the bound needs them.
  proto::ByteSpan Take(std::size_t size);    // As many as are left.
  proto::ByteSpan Rest() { return Take(rest_.size()); }

 private:
  proto::ByteSpan rest_;
};

}  // namespace fuzz
