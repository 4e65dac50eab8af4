// Reader of the safetensors format: u64 length, a JSON header of that length, the tensors' bytes.
//
//   {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...,
//    "__metadata__": {...}}
//
// The bytes come from a stranger. Parse accepts a file only when the tensors' ranges tile the data
// exactly (no hole, no overlap, nothing after the last) and every range is as long as its shape and
// type say, so no reader can step outside.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/result.h"

namespace mpc {

inline constexpr std::uint64_t kSafetensorsHeaderMax = 16 << 20;
inline constexpr std::size_t kSafetensorsTensorsMax = 1 << 16;
inline constexpr std::size_t kSafetensorsDimensionsMax = 8;

struct FloatTensor {
  std::vector<std::uint64_t> shape;
  std::vector<float> values;  // Row-major, all finite.
};

class Safetensors {
 public:
  // Keeps a view of `bytes`, which must outlive it.
  static proto::Result<Safetensors> Parse(proto::ByteSpan bytes);

  bool Has(const std::string& name) const { return entries_.contains(name); }
  std::vector<std::string> names() const;
  // F32, F16 and BF16; kNotFound when there is no such tensor, kInvalidArgument when it has another
  // type, another shape than `shape`, or a value that is not finite.
  proto::Result<FloatTensor> Read(const std::string& name,
                                  const std::vector<std::uint64_t>& shape) const;

 private:
  struct Entry {
    std::string dtype;
    std::vector<std::uint64_t> shape;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  proto::ByteSpan data_;
  std::map<std::string, Entry> entries_;
};

}  // namespace mpc
