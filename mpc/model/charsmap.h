// SentencePiece's precompiled normalisation: a map from strings to strings, applied at each place
// of a text to the longest key that matches.
//
//   u32 size of the trie, the trie (Darts-clone's double array of u32 units), then the values, each
//   ended by a zero byte; a key's number is where its value begins.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/result.h"

namespace mpc {

class CharsMap {
 public:
  // No entry leads outside: units and values are checked as they are met.
  static proto::Result<CharsMap> From(proto::ByteSpan bytes);

  // `utf8` must be valid.
  std::string Apply(std::string_view utf8) const;
  // As the library `tokenizers` applies it (Precompiled): what a user sees as one character, of up
  // to 5 bytes, becomes the value of the shortest key that it begins with; else each code point.
  std::string ApplyToGraphemes(std::string_view utf8) const;

 private:
  // A key that the text begins with, the longest or the shortest: its bytes, 0 for none, and value.
  std::size_t Find(std::string_view text, bool longest, std::string_view& value) const;

  std::vector<std::uint32_t> units_;
  std::string values_;
};

}  // namespace mpc
