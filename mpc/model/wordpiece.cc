#include "mpc/model/wordpiece.h"

#include <algorithm>
#include <optional>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include "proto/base/check.h"

namespace mpc {

namespace {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;
using Utf16 = std::u16string;

constexpr std::size_t kVocabularyMax = 1 << 20;
constexpr std::size_t kPieceBytesMax = 512;
constexpr std::size_t kWordCharactersMax = 100;

// The library `tokenizers` knows the categories of Unicode 8. What came later has none there, and
// these have another today.
std::uint32_t CategoryMask(UChar32 c) {
  switch (c) {
    case 0x166D:
    case 0x111C9:
      return U_GC_PO_MASK;
    case 0x1734:
      return U_GC_MN_MASK;
    case 0xA9BD:
      return U_GC_MC_MASK;
    case 0x1885:
    case 0x1886:
      return U_GC_LO_MASK;
    default: {
      UVersionInfo age;
      u_charAge(c, age);
      return age[0] > 8 ? U_GC_CN_MASK : U_GET_GC_MASK(c);
    }
  }
}

bool IsBlank(UChar32 c) {
  const auto category = u_charType(c);
  return c == '\t' || c == '\n' || c == '\r' || category == U_SPACE_SEPARATOR;
}

// What Python's str.split cuts at beyond IsBlank, once control characters are gone.
bool IsSeparator(UChar32 c) {
  const auto category = u_charType(c);
  return IsBlank(c) || category == U_LINE_SEPARATOR || category == U_PARAGRAPH_SEPARATOR;
}

bool IsControl(UChar32 c) {
  // As the library `tokenizers`; its predecessor in Python dropped unassigned characters (Cn) too.
  return c == 0 || c == 0xfffd || (CategoryMask(c) & U_GC_C_MASK & ~U_GC_CN_MASK) != 0;
}

bool IsPunctuation(UChar32 c) {
  const bool ascii = (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
                     (c >= 123 && c <= 126);
  return ascii || (CategoryMask(c) & U_GC_P_MASK) != 0;
}

// Blocks that the library calls CJK: each of their characters is a word.
bool IsCjk(UChar32 c) {
  constexpr UChar32 kBlocks[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                    {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF},
                                    {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kBlocks), std::end(kBlocks),
                     [c](const auto& block) { return block[0] <= c && c <= block[1]; });
}

void Append(Utf16& text, UChar32 c) {
  if (U_IS_BMP(c)) {
    text.push_back(static_cast<char16_t>(c));
  } else {
    text.push_back(U16_LEAD(c));
    text.push_back(U16_TRAIL(c));
  }
}

template <class Visit>
void ForEachCharacter(const Utf16& text, Visit visit) {
  for (std::size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U16_NEXT(text.data(), i, text.size(), c);
    visit(c);
  }
}

// Calls an ICU function that writes at most `capacity` units and tells how many there are.
template <class Call>
Utf16 Converted(std::size_t size, Call call) {
  Utf16 out(size + 16, u'\0');
  for (;;) {
    UErrorCode status = U_ZERO_ERROR;
    const std::int32_t needed = call(out.data(), static_cast<std::int32_t>(out.size()), &status);
    const bool fits = static_cast<std::size_t>(needed) <= out.size();
    out.resize(static_cast<std::size_t>(needed));
    if (fits) {
      CHECK(U_SUCCESS(status));
      return out;
    }
  }
}

// Each character on its own, so that a final sigma is a sigma, as in the original.
Utf16 Lowered(UChar32 c) {
  Utf16 upper;
  Append(upper, c);
  if (u_tolower(c) == c) return upper;
  return Converted(upper.size(), [&](char16_t* out, std::int32_t capacity, UErrorCode* status) {
    return u_strToLower(out, capacity, upper.data(), static_cast<std::int32_t>(upper.size()), "",
                        status);
  });
}

// Blanks become spaces, control characters and malformed bytes go, CJK characters stand alone, the
// rest is lowered; as the options say.
Utf16 Clean(std::string_view text, const WordPieceOptions& options) {
  Utf16 clean;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  for (std::size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT(bytes, i, text.size(), c);
    if (c < 0) continue;
    if (IsBlank(c)) {
      clean.push_back(u' ');
    } else if (options.cjk_alone && IsCjk(c)) {
      clean.push_back(u' ');
      Append(clean, c);
      clean.push_back(u' ');
    } else if (!IsControl(c)) {
      if (options.lowered) {
        clean += Lowered(c);
      } else {
        Append(clean, c);
      }
    }
  }
  return clean;
}

Utf16 Decomposed(const Utf16& text) {
  UErrorCode no_data = U_ZERO_ERROR;
  const UNormalizer2* nfd = unorm2_getNFDInstance(&no_data);
  CHECK(U_SUCCESS(no_data));
  return Converted(text.size(), [&](char16_t* out, std::int32_t capacity, UErrorCode* status) {
    return unorm2_normalize(nfd, text.data(), static_cast<std::int32_t>(text.size()), out, capacity,
                            status);
  });
}

// Words and punctuation marks, before the vocabulary is consulted.
std::vector<std::u32string> SplitWords(std::string_view text, const WordPieceOptions& options) {
  Utf16 plain = Clean(text, options);
  if (options.accents_stripped) plain = Decomposed(plain);
  std::vector<std::u32string> words;
  bool open = false;  // The last word may grow.
  ForEachCharacter(plain, [&](UChar32 c) {
    if (options.accents_stripped && (CategoryMask(c) & U_GC_MN_MASK) != 0) return;
    const bool alone = IsPunctuation(c);
    if (IsSeparator(c)) {
      open = false;
    } else if (open && !alone) {
      words.back().push_back(static_cast<char32_t>(c));
    } else {
      words.emplace_back(1, static_cast<char32_t>(c));
      open = !alone;
    }
  });
  return words;
}

std::string ToUtf8(std::u32string_view text) {
  std::string out;
  for (const char32_t c : text) {
    std::uint8_t bytes[U8_MAX_LENGTH];
    std::size_t size = 0;
    U8_APPEND_UNSAFE(bytes, size, static_cast<UChar32>(c));
    out.append(reinterpret_cast<const char*>(bytes), size);
  }
  return out;
}

}  // namespace

Result<WordPiece> WordPiece::FromVocab(proto::ByteSpan vocab_txt, const WordPieceOptions& options) {
  const auto bad = [](const std::string& what) {
    return Fail(ErrorCode::kInvalidArgument, "vocab.txt: " + what);
  };
  WordPiece tokenizer;
  tokenizer.options_ = options;
  std::string_view rest = proto::AsText(vocab_txt);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string where = "line " + std::to_string(tokenizer.pieces_.size() + 1);
    if (line.size() > kPieceBytesMax) return bad(where + " is longer than 512 bytes");
    if (tokenizer.pieces_.size() == kVocabularyMax) return bad("more than 2^20 pieces");
    if (!tokenizer.ids_.emplace(line, tokenizer.size()).second)
      return bad(where + " is a repetition");
    tokenizer.pieces_.emplace_back(line);
  }
  const std::pair<const char*, std::uint32_t*> specials[] = {{"[PAD]", &tokenizer.pad_},
                                                             {"[UNK]", &tokenizer.unknown_},
                                                             {"[CLS]", &tokenizer.first_},
                                                             {"[SEP]", &tokenizer.last_}};
  for (const auto& [name, id] : specials) {
    const auto found = tokenizer.ids_.find(name);
    if (found == tokenizer.ids_.end()) return bad(std::string("no piece ") + name);
    *id = found->second;
  }
  return tokenizer;
}

std::vector<std::uint32_t> WordPiece::Encode(std::string_view text) const {
  text = text.substr(0, kTextBytesMax);
  std::vector<std::uint32_t> ids = {first_};
  for (const std::u32string& word : SplitWords(text, options_)) EncodeWord(word, ids);
  ids.push_back(last_);
  return ids;
}

void WordPiece::EncodeWord(std::u32string_view word, std::vector<std::uint32_t>& ids) const {
  const std::size_t before = ids.size();
  if (word.size() > kWordCharactersMax) {
    ids.push_back(unknown_);
    return;
  }
  for (std::size_t start = 0; start < word.size();) {
    std::size_t end = word.size();
    for (; end > start; --end) {
      const std::string piece = (start > 0 ? "##" : "") + ToUtf8(word.substr(start, end - start));
      const auto found = ids_.find(piece);
      if (found == ids_.end()) continue;
      ids.push_back(found->second);
      break;
    }
    if (end == start) {
      ids.resize(before);
      ids.push_back(unknown_);
      return;
    }
    start = end;
  }
}

std::string WordPiece::Decode(std::span<const std::uint32_t> ids) const {
  std::string text;
  for (const std::uint32_t id : ids) {
    if (id >= size() || id == pad_ || id == first_ || id == last_) continue;
    const std::string& piece = pieces_[id];
    if (piece.starts_with("##")) {
      text += piece.substr(2);
    } else {
      text += (text.empty() ? "" : " ") + piece;
    }
  }
  return text;
}

}  // namespace mpc
