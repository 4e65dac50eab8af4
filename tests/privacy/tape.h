// All randomness of a computation, one after another.
//
// tape.cc stands in for proto's Prg: where a member expands a replicated key, it reads a digit of a
// number that counts through everything the keys could have given. Element i of a stream is the
// stream's digit of base + i, so one call for a vector of many elements is that many runs of the
// code, each with other randomness. Streams of the set that the adversary is not in are the lowest
// digits: runs that differ in them alone follow one another, and are what the adversary cannot
// tell apart.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "mpc/sharing/replicated.h"

namespace mpc::privacy {

class Tape {
 public:
  static Tape& Get() {
    static Tape tape;
    return tape;
  }

  // Forgets all streams. A word of a stream takes radix[purpose] values; streams of other purposes
  // give zeros.
  void Begin(std::vector<ReplicatedKeys::Key> hidden, std::map<Purpose, std::uint64_t> radix);
  // While it is recording, streams get their places in the order of their first use.
  void EndRecording();
  void Seek(std::uint64_t base) { base_ = base; }
  std::uint64_t runs() const { return runs_; }           // Product of all radices.
  std::uint64_t hidden() const { return hidden_runs_; }  // Of those of the hidden streams.

  std::size_t Open(const std::string& key, const std::string& label);
  // Words of the stream from `position` on.
  void Read(std::size_t stream, std::uint64_t position, std::span<UInt128> words) const;

 private:
  struct Stream {
    bool hidden;
    std::uint64_t radix;
    std::uint64_t stride;
  };
  std::vector<std::string> hidden_keys_;
  std::map<Purpose, std::uint64_t> radix_;
  std::map<std::string, std::size_t> places_;
  std::vector<Stream> streams_;
  bool recording_ = false;
  std::uint64_t base_ = 0;
  std::uint64_t runs_ = 0;
  std::uint64_t hidden_runs_ = 0;
};

}  // namespace mpc::privacy
