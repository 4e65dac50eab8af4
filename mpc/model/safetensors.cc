#include "mpc/model/safetensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "mpc/model/json.h"

namespace mpc {

namespace {

using nlohmann::json;
using proto::ByteSpan;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

tl::unexpected<proto::Error> Bad(const std::string& what) {
  return Fail(ErrorCode::kInvalidArgument, "safetensors: " + what);
}

// Bytes of one value; 0 for a type that the format does not have.
std::uint64_t SizeOf(const std::string& dtype) {
  static const std::map<std::string, std::uint64_t> kSizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
      {"U32", 4},  {"F32", 4}, {"F64", 8}, {"I64", 8},     {"U64", 8}};
  const auto found = kSizes.find(dtype);
  return found == kSizes.end() ? 0 : found->second;
}

float FromHalf(std::uint16_t half) {
  const int exponent = (half >> 10) & 0x1f;
  const int mantissa = half & 0x3ff;
  float magnitude = 0;
  if (exponent == 0x1f) {
    magnitude = mantissa == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(mantissa), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(mantissa | 0x400), exponent - 25);
  }
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

}  // namespace

Result<Safetensors> Safetensors::Parse(ByteSpan bytes) {
  if (bytes.size() < 8) return Bad("shorter than its header's length field");
  const std::uint64_t length = proto::GetU64(bytes.first(8));
  if (length > kSafetensorsHeaderMax) return Bad("the header is longer than 16 MiB");
  if (length > bytes.size() - 8) return Bad("truncated inside the header");
  Safetensors file;
  file.data_ = bytes.subspan(8 + length);
  const json header = ParseJson(bytes.subspan(8, length));
  if (!header.is_object()) return Bad("the header is not JSON, nested too deeply or too large");
  if (NamesTwice(bytes.subspan(8, length), header)) return Bad("the header has a name twice");
  if (header.size() > kSafetensorsTensorsMax) return Bad("more than 65536 tensors");

  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, fields] : header.items()) {
    if (name == "__metadata__") continue;
    const auto wrong = [&name = name](const char* what) {
      return Bad("tensor " + name.substr(0, 128) + ": " + what);
    };
    if (!fields.is_object() || !fields.contains("dtype") || !fields["dtype"].is_string() ||
        !fields.contains("shape") || !fields["shape"].is_array() ||
        !fields.contains("data_offsets") || !fields["data_offsets"].is_array() ||
        fields["data_offsets"].size() != 2) {
      return wrong("needs dtype, shape and data_offsets");
    }
    Entry entry;
    entry.dtype = fields["dtype"].get<std::string>();
    std::uint64_t size = SizeOf(entry.dtype);
    if (size == 0) return wrong("unknown dtype");
    if (fields["shape"].size() > kSafetensorsDimensionsMax) return wrong("too many dimensions");
    for (const json& side : fields["shape"]) {
      if (!side.is_number_unsigned()) return wrong("bad shape");
      entry.shape.push_back(side.get<std::uint64_t>());
      if (__builtin_mul_overflow(size, entry.shape.back(), &size)) return wrong("bad shape");
    }
    const json& offsets = fields["data_offsets"];
    if (!offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) {
      return wrong("bad data_offsets");
    }
    entry.begin = offsets[0].get<std::uint64_t>();
    entry.end = offsets[1].get<std::uint64_t>();
    if (entry.begin > entry.end || entry.end > file.data_.size()) {
      return wrong("data_offsets lie outside the file; it may be truncated");
    }
    if (entry.end - entry.begin != size) return wrong("data_offsets do not match the shape");
    ranges.emplace_back(entry.begin, entry.end);
    file.entries_.emplace(name, std::move(entry));
  }
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t covered = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != covered) return Bad("the tensors overlap or leave a hole");
    covered = end;
  }
  if (covered != file.data_.size()) return Bad("bytes follow the last tensor");
  return file;
}

std::vector<std::string> Safetensors::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

Result<FloatTensor> Safetensors::Read(const std::string& name,
                                      const std::vector<std::uint64_t>& shape) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    return Fail(ErrorCode::kNotFound, "safetensors: no tensor named " + name);
  }
  const Entry& entry = found->second;
  if (entry.shape != shape) return Bad("tensor " + name + ": not the shape the config asks for");
  const ByteSpan raw = data_.subspan(entry.begin, entry.end - entry.begin);
  const auto u16 = [raw](std::size_t i) {
    return static_cast<std::uint16_t>(raw[2 * i] | raw[2 * i + 1] << 8);
  };
  const bool f32 = entry.dtype == "F32", f16 = entry.dtype == "F16", bf16 = entry.dtype == "BF16";
  FloatTensor tensor{entry.shape, {}};
  tensor.values.resize(raw.size() / SizeOf(entry.dtype));
  for (std::size_t i = 0; i < tensor.values.size(); ++i) {
    float value = 0;
    if (f32) {
      value = std::bit_cast<float>(proto::GetU32(raw.subspan(4 * i, 4)));
    } else if (f16) {
      value = FromHalf(u16(i));
    } else if (bf16) {
      value = std::bit_cast<float>(std::uint32_t{u16(i)} << 16);
    } else {
      return Bad("tensor " + name + ": dtype " + entry.dtype +
                 " is not supported (F32, F16 and BF16 are)");
    }
    if (!std::isfinite(value)) return Bad("tensor " + name + ": holds a value that is not finite");
    tensor.values[i] = value;
  }
  return tensor;
}

}  // namespace mpc
