// What tokenizers need of Unicode, by ICU.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/result.h"

namespace mpc {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// Bytes that are not UTF-8 become U+FFFD.
std::string ReplaceBadUtf8(std::string_view text);
// `utf8` must be valid. As the library `tokenizers`, by the tables of Unicode 11: characters that
// came later stay.
std::string Normalized(std::string_view utf8, NormalForm form);
std::string ReplacedAll(std::string text, std::string_view from, std::string_view to);
// The bytes of each character.
std::vector<std::string_view> Characters(std::string_view utf8);
// The code points of each user-perceived character (UAX 29).
std::vector<std::string_view> Graphemes(std::string_view utf8);
// White space of Unicode goes: from the ends, or all of it for one space between words.
std::string Stripped(std::string_view utf8, bool left, bool right);
std::string WordsSpaced(std::string_view utf8);
void AppendUtf8(std::string& to, char32_t character);
// The character at the beginning, 0 for none.
char32_t FirstCharacter(std::string_view utf8);

// Cuts a text at the matches of a regular expression: matches and what lies between them, in order.
// A hostile expression or text runs into ICU's limits and yields the rest uncut.
class Cutter {
 public:
  static proto::Result<Cutter> From(std::string_view pattern);
  std::vector<std::string> Cut(std::string_view utf8) const;

 private:
  struct Regex;
  std::shared_ptr<const Regex> regex_;
};

}  // namespace mpc
