// Files for the model tests: small ones written here in the real formats, and real ones where they
// are present (folder WAXSEAL_DATA, by default `../shared/data` beside the checkout).
#pragma once

#include <bit>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proto/base/bytes.h"

namespace mpc {

inline std::optional<proto::Bytes> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return proto::Bytes(std::istreambuf_iterator<char>(file), {});
}

inline std::optional<proto::Bytes> ReadData(const std::string& name) {
  const char* folder = std::getenv("WAXSEAL_DATA");
  return ReadFile((folder != nullptr ? folder : std::string(SOURCE_DIR) + "/../shared/data") + "/" +
                  name);
}

inline proto::Bytes ToBytes(std::string_view text) {
  return {text.begin(), text.end()};
}

// A safetensors file from its header's JSON and its data.
inline proto::Bytes SafetensorsFile(std::string_view header, const proto::Bytes& data) {
  proto::Bytes file;
  proto::PutU64(file, header.size());
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

// Writes F32 tensors one after the other.
class SafetensorsWriter {
 public:
  void Add(const std::string& name, const std::vector<std::uint64_t>& shape,
           const std::vector<float>& values) {
    const std::size_t begin = data_.size();
    for (const float value : values) proto::PutU32(data_, std::bit_cast<std::uint32_t>(value));
    std::string sides;
    for (const std::uint64_t side : shape)
      sides += (sides.empty() ? "" : ",") + std::to_string(side);
    header_ += (header_.empty() ? "" : ",") + ("\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[") +
               sides + "],\"data_offsets\":[" + std::to_string(begin) + "," +
               std::to_string(data_.size()) + "]}";
  }
  proto::Bytes Finish() const { return SafetensorsFile("{" + header_ + "}", data_); }

 private:
  std::string header_;
  proto::Bytes data_;
};

}  // namespace mpc
