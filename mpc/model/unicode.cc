#include "mpc/model/unicode.h"

#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/regex.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include "proto/base/check.h"

namespace mpc {

namespace {

constexpr std::int32_t kRegexTimeMax = 100;        // In ICU's units, about milliseconds.
constexpr std::int32_t kRegexStackMax = 64 << 20;  // Bytes.

std::string ToUtf8(const icu::UnicodeString& text) {
  std::string out;
  text.toUTF8String(out);
  return out;
}

icu::UnicodeString FromUtf8(std::string_view text) {
  return icu::UnicodeString::fromUTF8({text.data(), static_cast<std::int32_t>(text.size())});
}

bool IsSpace(std::string_view character) {
  return u_isUWhiteSpace(static_cast<UChar32>(FirstCharacter(character))) != 0;
}

}  // namespace

std::string ReplaceBadUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  for (std::size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(bytes, i, text.size(), c);
    AppendUtf8(out, static_cast<char32_t>(c));
  }
  return out;
}

void AppendUtf8(std::string& to, char32_t character) {
  std::uint8_t bytes[U8_MAX_LENGTH];
  std::size_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, static_cast<UChar32>(character));
  to.append(reinterpret_cast<const char*>(bytes), size);
}

char32_t FirstCharacter(std::string_view utf8) {
  if (utf8.empty()) return 0;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(utf8.data());
  std::size_t i = 0;
  UChar32 c = 0;
  U8_NEXT_OR_FFFD(bytes, i, utf8.size(), c);
  return static_cast<char32_t>(c);
}

std::string Normalized(std::string_view utf8, NormalForm form) {
  UErrorCode status = U_ZERO_ERROR;
  static const icu::UnicodeSet kKnown(u"[:age=11.0:]", status);
  CHECK(U_SUCCESS(status));
  const icu::Normalizer2* normalizer = nullptr;
  switch (form) {
    case NormalForm::kNfc:
      normalizer = icu::Normalizer2::getNFCInstance(status);
      break;
    case NormalForm::kNfd:
      normalizer = icu::Normalizer2::getNFDInstance(status);
      break;
    case NormalForm::kNfkc:
      normalizer = icu::Normalizer2::getNFKCInstance(status);
      break;
    case NormalForm::kNfkd:
      normalizer = icu::Normalizer2::getNFKDInstance(status);
      break;
  }
  CHECK(U_SUCCESS(status));
  const icu::FilteredNormalizer2 filtered(*normalizer, kKnown);
  icu::UnicodeString normal;
  filtered.normalize(FromUtf8(utf8), normal, status);
  CHECK(U_SUCCESS(status));
  return ToUtf8(normal);
}

std::string ReplacedAll(std::string text, std::string_view from, std::string_view to) {
  if (from.empty()) return text;
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::vector<std::string_view> Characters(std::string_view utf8) {
  std::vector<std::string_view> characters;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(utf8.data());
  for (std::size_t i = 0; i < utf8.size();) {
    const std::size_t begin = i;
    U8_FWD_1(bytes, i, utf8.size());
    characters.push_back(utf8.substr(begin, i - begin));
  }
  return characters;
}

std::vector<std::string_view> Graphemes(std::string_view utf8) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::BreakIterator> breaks(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
  CHECK(U_SUCCESS(status));
  const icu::UnicodeString text = FromUtf8(utf8);
  breaks->setText(text);
  std::vector<std::string_view> graphemes;
  std::size_t at = 0;
  for (std::int32_t begin = breaks->first(), end = breaks->next(); end != icu::BreakIterator::DONE;
       begin = end, end = breaks->next()) {
    std::size_t size = 0;
    for (std::int32_t i = begin; i < end; i = text.moveIndex32(i, 1)) {
      size += static_cast<std::size_t>(U8_LENGTH(text.char32At(i)));
    }
    graphemes.push_back(utf8.substr(at, size));
    at += size;
  }
  return graphemes;
}

std::string Stripped(std::string_view utf8, bool left, bool right) {
  const std::vector<std::string_view> characters = Characters(utf8);
  auto begin = characters.begin(), end = characters.end();
  while (left && begin != end && IsSpace(*begin)) ++begin;
  while (right && begin != end && IsSpace(*(end - 1))) --end;
  if (begin == end) return {};
  return {begin->data(), (end - 1)->data() + (end - 1)->size()};
}

std::string WordsSpaced(std::string_view utf8) {
  std::string out;
  bool space = false;
  for (const std::string_view character : Characters(utf8)) {
    if (IsSpace(character)) {
      space = !out.empty();
      continue;
    }
    if (space) out += ' ';
    space = false;
    out += character;
  }
  return out;
}

struct Cutter::Regex {
  std::unique_ptr<icu::RegexPattern> pattern;
};

proto::Result<Cutter> Cutter::From(std::string_view pattern) {
  // ICU's \s is not Unicode's white space.
  std::string text = ReplacedAll(ReplaceBadUtf8(pattern), "\\s", "\\p{White_Space}");
  text = ReplacedAll(std::move(text), "\\S", "\\P{White_Space}");
  UErrorCode status = U_ZERO_ERROR;
  auto regex = std::make_shared<Regex>();
  UParseError where;
  regex->pattern.reset(icu::RegexPattern::compile(FromUtf8(text), 0, where, status));
  if (U_FAILURE(status)) {
    return proto::Fail(proto::ErrorCode::kInvalidArgument,
                       std::string("a regular expression of the tokenizer is not understood: ") +
                           u_errorName(status));
  }
  Cutter cutter;
  cutter.regex_ = std::move(regex);
  return cutter;
}

std::vector<std::string> Cutter::Cut(std::string_view utf8) const {
  std::vector<std::string> pieces;
  const icu::UnicodeString text = FromUtf8(utf8);
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::RegexMatcher> matcher(regex_->pattern->matcher(text, status));
  CHECK(U_SUCCESS(status));
  matcher->setTimeLimit(kRegexTimeMax, status);
  matcher->setStackLimit(kRegexStackMax, status);
  std::int32_t end = 0;
  while (matcher->find(status) && U_SUCCESS(status)) {
    const std::int32_t begin = matcher->start(status);
    if (begin > end) pieces.push_back(ToUtf8(text.tempSubStringBetween(end, begin)));
    end = matcher->end(status);
    if (end > begin) pieces.push_back(ToUtf8(text.tempSubStringBetween(begin, end)));
  }
  if (end < text.length()) pieces.push_back(ToUtf8(text.tempSubStringBetween(end)));
  return pieces;
}

}  // namespace mpc
