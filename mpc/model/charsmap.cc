#include "mpc/model/charsmap.h"

#include "mpc/model/unicode.h"

namespace mpc {

namespace {

// The fields of a unit of Darts-clone.
std::uint32_t OffsetOf(std::uint32_t unit) {
  return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}
std::uint32_t LabelOf(std::uint32_t unit) {
  return unit & ((1u << 31) | 0xff);
}
bool HasLeaf(std::uint32_t unit) {
  return ((unit >> 8) & 1) != 0;
}
std::uint32_t ValueOf(std::uint32_t unit) {
  return unit & ~(1u << 31);
}

}  // namespace

proto::Result<CharsMap> CharsMap::From(proto::ByteSpan bytes) {
  CharsMap map;
  if (bytes.empty()) return map;
  const std::uint32_t size = bytes.size() < 4 ? 0 : proto::GetU32(bytes);
  if (size == 0 || size % 4 != 0 || size > bytes.size() - 4) {
    return proto::Fail(proto::ErrorCode::kInvalidArgument,
                       "tokenizer: the precompiled normalisation is malformed");
  }
  for (std::size_t at = 4; at < 4 + std::size_t{size}; at += 4) {
    map.units_.push_back(proto::GetU32(bytes.subspan(at)));
  }
  map.values_ = proto::AsText(bytes.subspan(4 + size));
  return map;
}

std::size_t CharsMap::Find(std::string_view text, bool longest, std::string_view& value) const {
  std::size_t length = 0;
  std::uint32_t at = units_.empty() ? 0 : OffsetOf(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    at ^= byte;
    if (at >= units_.size() || LabelOf(units_[at]) != byte) break;
    const std::uint32_t unit = units_[at];
    at ^= OffsetOf(unit);
    if (!HasLeaf(unit)) continue;
    if (at >= units_.size() || ValueOf(units_[at]) >= values_.size()) break;
    const std::size_t begin = ValueOf(units_[at]);
    value = std::string_view(values_).substr(begin, values_.find('\0', begin) - begin);
    length = i + 1;
    if (!longest) break;
  }
  return length;
}

std::string CharsMap::Apply(std::string_view utf8) const {
  std::string out;
  while (!utf8.empty()) {
    std::string_view value;
    std::size_t length = Find(utf8, true, value);
    if (length == 0) {
      length = Characters(utf8.substr(0, 4)).front().size();
      value = utf8.substr(0, length);
    }
    out += value;
    utf8.remove_prefix(length);
  }
  return out;
}

std::string CharsMap::ApplyToGraphemes(std::string_view utf8) const {
  constexpr std::size_t kWholeMax = 5;
  std::string out;
  std::string_view value;
  for (const std::string_view grapheme : Graphemes(utf8)) {
    if (grapheme.size() <= kWholeMax && Find(grapheme, false, value) > 0) {
      out += value;
      continue;
    }
    for (const std::string_view character : Characters(grapheme)) {
      out += Find(character, false, value) > 0 ? value : character;
    }
  }
  return out;
}

}  // namespace mpc
