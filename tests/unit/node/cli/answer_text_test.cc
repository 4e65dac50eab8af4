// Text as it comes: whole characters only, nothing taken back; tokens up to the end token.

#include "node/cli/answer_text.h"

#include <gtest/gtest.h>

#include "proto/base/bytes.h"

namespace node {
namespace {

using mpc::Fp;

// A byte-level BPE without merges: a token a byte; "0" to "9" have ids 0 to 9 and so on.
mpc::Tokenizer Bytes() {
  std::string vocabulary = "{";
  unsigned extra = 0;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool shown = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
    const unsigned code = shown ? byte : 256 + extra++;
    char piece[16];
    std::snprintf(piece, sizeof piece, "\"\\u%04x\":%u", code, byte);
    vocabulary += (byte == 0 ? "" : ",") + std::string(piece);
  }
  vocabulary += "}";
  const auto bytes = [](const std::string& text) { return proto::Bytes(text.begin(), text.end()); };
  auto tokenizer = mpc::Tokenizer::From({{"vocab.json", bytes(vocabulary)},
                                         {"merges.txt", bytes("#version: 0.2\n")},
                                         {"family", bytes("gpt2")}});
  EXPECT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  return *tokenizer;
}

TEST(TextPieces, GiveWholeCharacters) {
  const std::string text = "a\u00e9\u20ac\U0001f600!";
  TextPieces pieces(Bytes());
  std::vector<std::string> given;
  for (const char byte : text) given.push_back(pieces.Add(static_cast<unsigned char>(byte)));
  EXPECT_EQ(given, (std::vector<std::string>{"a", "", "\u00e9", "", "", "\u20ac", "", "", "",
                                             "\U0001f600", "!"}));
  EXPECT_EQ(pieces.Finish(), "");
  EXPECT_EQ(pieces.text(), text);
}

TEST(TextPieces, HoldBackWhatIsBrokenUntilTheEnd) {
  TextPieces pieces(Bytes());
  EXPECT_EQ(pieces.Add('x'), "x");
  EXPECT_EQ(pieces.Add(0xe2), "");
  EXPECT_EQ(pieces.Add(0x82), "");
  EXPECT_EQ(pieces.Finish(), "\xe2\x82");
  // A byte that begins another character shows that it was none.
  EXPECT_EQ(pieces.Add('y'), "\xe2\x82y");
  // A stray one is not waited for.
  EXPECT_EQ(pieces.Add(0x80), "\x80");
}

AnswerForm Form() {
  AnswerForm form;
  form.steps = 4;
  form.group = 3;
  form.flags = 2;
  form.frac = 4;
  form.vocabulary = 256;
  form.ends = {'.', '!'};
  for (std::size_t i = 0; i < form.steps * form.group; ++i) {
    form.masks.push_back(Fp(static_cast<std::int64_t>(i * 1'000'003)));
  }
  return form;
}

// A step's masked outputs: a token and two flags.
std::vector<Fp> Masked(const AnswerForm& form, std::size_t step, std::int64_t token, double flag) {
  const auto mask = [&](std::size_t i) { return form.masks[step * form.group + i]; };
  const Fp up(static_cast<std::int64_t>(flag * 16));
  return {Fp(token * 16) + mask(0), up + mask(1), Fp(0) + mask(2)};
}

TEST(AnswerText, ReadsTokensUpToTheEnd) {
  const AnswerForm form = Form();
  std::vector<Written> seen;
  AnswerText text(form, Bytes(), [&](const Written& token) { seen.push_back(token); });
  EXPECT_TRUE(text.Take(Masked(form, 0, 'h', 0.5)));
  EXPECT_TRUE(text.Take(Masked(form, 1, 'i', 0.25)));
  EXPECT_FALSE(text.ended());
  EXPECT_TRUE(text.Take(Masked(form, 2, '!', 1)));
  EXPECT_TRUE(text.ended());
  // Computed by validators that were not told of the end: it says nothing, out of range or not.
  EXPECT_TRUE(text.Take(Masked(form, 3, 5000, 77)));
  EXPECT_EQ(text.steps(), 4u);
  EXPECT_EQ(text.text().tokens(), (std::vector<std::uint32_t>{'h', 'i'}));
  EXPECT_EQ(text.text().text(), "hi");
  EXPECT_EQ(text.flags(), (std::vector<double>{0.5, 0, 0.25, 0, 1, 0}));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].step, 1u);
  EXPECT_EQ(seen[1].token, std::uint32_t{'i'});
  EXPECT_EQ(seen[1].text, "i");
}

TEST(AnswerText, RefusesWhatIsNoToken) {
  const AnswerForm form = Form();
  for (const std::int64_t token : {256, -1}) {
    AnswerText text(form, Bytes(), {});
    EXPECT_FALSE(text.Take(Masked(form, 0, token, 0)));
  }
}

}  // namespace
}  // namespace node
