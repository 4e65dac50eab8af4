#include "proto/wire/long_field.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

namespace proto {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

constexpr auto kString = WireFormatLite::WIRETYPE_LENGTH_DELIMITED;

// What precedes a string of that size.
std::string Head(std::uint32_t field, std::size_t size) {
  std::uint8_t head[16];
  std::uint8_t* end = CodedOutputStream::WriteTagToArray(
      WireFormatLite::MakeTag(static_cast<int>(field), kString), head);
  end = CodedOutputStream::WriteVarint64ToArray(size, end);
  return {head, end};
}

// The string that comes next.
std::optional<ByteSpan> NextString(CodedInputStream& in, ByteSpan bytes) {
  std::uint32_t size = 0;
  if (!in.ReadVarint32(&size)) return std::nullopt;
  const auto begin = static_cast<std::size_t>(in.CurrentPosition());
  if (size > bytes.size() - begin) return std::nullopt;
  const ByteSpan string = bytes.subspan(begin, size);
  if (!in.Skip(static_cast<int>(size))) return std::nullopt;
  return string;
}

}  // namespace

Bytes JoinLongField(const LongField& place, const std::string& rest, ByteSpan string) {
  const std::string inner = rest + Head(place.field, string.size());
  const std::string outer = Head(place.message, inner.size() + string.size()) + inner;
  Bytes bytes;
  bytes.reserve(outer.size() + string.size());
  bytes.assign(outer.begin(), outer.end());
  bytes.insert(bytes.end(), string.begin(), string.end());
  return bytes;
}

std::optional<CutMessage> CutLongField(const LongField& place, ByteSpan bytes) {
  CodedInputStream outer(bytes.data(), static_cast<int>(bytes.size()));
  if (outer.ReadTag() != WireFormatLite::MakeTag(static_cast<int>(place.message), kString)) {
    return std::nullopt;
  }
  const auto inner = NextString(outer, bytes);
  if (!inner || static_cast<std::size_t>(outer.CurrentPosition()) != bytes.size()) {
    return std::nullopt;
  }
  CodedInputStream in(inner->data(), static_cast<int>(inner->size()));
  std::optional<CutMessage> cut;
  std::string rest;
  while (static_cast<std::size_t>(in.CurrentPosition()) < inner->size()) {
    const auto begin = static_cast<std::size_t>(in.CurrentPosition());
    const std::uint32_t tag = in.ReadTag();
    if (tag == WireFormatLite::MakeTag(static_cast<int>(place.field), kString)) {
      const auto string = NextString(in, *inner);
      if (cut || !string) return std::nullopt;
      cut = CutMessage{{}, *string};
      continue;
    }
    if (tag == 0 || !WireFormatLite::SkipField(&in, tag)) return std::nullopt;
    const auto size = static_cast<std::size_t>(in.CurrentPosition()) - begin;
    if (rest.size() + size > kRestMax) return std::nullopt;
    rest += AsText(inner->subspan(begin, size));
  }
  if (cut) cut->rest = std::move(rest);
  return cut;
}

}  // namespace proto
