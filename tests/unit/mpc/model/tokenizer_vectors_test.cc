// Id for id what the reference tokenizers say of mixed text: accents, CJK, emoji, control
// characters, broken UTF-8. tests/vectors/tokenizers/make.py makes the vectors;
// WAXSEAL_TOKENIZER_VECTORS may name a directory of longer ones.

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "mpc/model/tokenizer.h"
#include "tests/unit/mpc/model/files.h"

namespace mpc {
namespace {

using Ids = std::vector<std::uint32_t>;

std::string Directory() {
  const char* const named = std::getenv("WAXSEAL_TOKENIZER_VECTORS");
  return named != nullptr ? named : SOURCE_DIR "/tests/vectors/tokenizers";
}

proto::Bytes FileAt(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void ExpectEqual(const Tokenizer& tokenizer, const std::string& name) {
  std::ifstream vectors(Directory() + "/" + name + ".tsv");
  ASSERT_TRUE(vectors) << name;
  std::size_t lines = 0, wrong = 0;
  for (std::string line; std::getline(vectors, line); ++lines) {
    const std::size_t tab = line.find('\t');
    const auto text = proto::FromHex(line.substr(0, tab));
    ASSERT_TRUE(text);
    std::istringstream in(line.substr(tab + 1));
    Ids want;
    for (std::uint32_t id = 0; in >> id;) want.push_back(id);
    const Ids got = tokenizer.Encode(proto::AsText(*text));
    if (got == want) continue;
    if (++wrong > 5) continue;
    ADD_FAILURE() << name << " line " << lines << ": " << line.substr(0, tab) << "\n  "
                  << testing::PrintToString(got) << "\n  " << testing::PrintToString(want);
  }
  EXPECT_EQ(wrong, 0u) << "of " << lines;
  EXPECT_GE(lines, 100u);
}

class TrainedHere : public testing::TestWithParam<const char*> {};

TEST_P(TrainedHere, EqualsTheReference) {
  const std::string name = GetParam();
  const bool library = name.starts_with("sp-");
  const auto tokenizer = Tokenizer::From(
      {{library ? "tokenizer.model" : "tokenizer.json",
        FileAt(SOURCE_DIR "/tests/vectors/tokenizers/" + name + (library ? ".model" : ".json"))}});
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  ExpectEqual(*tokenizer, name);
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, TrainedHere,
                         testing::Values("bytes", "bytes-split", "cased", "digits", "fallback",
                                         "precompiled", "unigram", "sp-bpe", "sp-unigram",
                                         "sp-plain"),
                         [](const auto& name) {
                           std::string text = name.param;
                           std::erase(text, '-');
                           return text;
                         });

TEST(PublishedTokenizers, EqualTheReference) {
  const auto vocab = ReadData("tokenizers/bert/vocab.txt");
  const auto bert_json = ReadData("tokenizers/bert/tokenizer.json");
  const auto gpt2_json = ReadData("tokenizers/gpt2/tokenizer.json");
  const auto encoder = ReadData("tokenizers/gpt2/encoder.json");
  const auto merges = ReadData("tokenizers/gpt2/vocab.bpe");
  if (!vocab || !bert_json || !gpt2_json || !encoder || !merges) {
    GTEST_SKIP() << "needs tokenizers/bert and tokenizers/gpt2 under WAXSEAL_DATA";
  }
  for (const auto& [name, files] :
       {std::pair<std::string, TokenizerFiles>{"bert", {{"vocab.txt", *vocab}}},
        {"bert", {{"tokenizer.json", *bert_json}}},
        {"gpt2", {{"tokenizer.json", *gpt2_json}}},
        {"gpt2", {{"vocab.json", *encoder}, {"merges.txt", *merges}}}}) {
    const auto tokenizer = Tokenizer::From(files);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    ExpectEqual(*tokenizer, name);
  }
}

TEST(Tokenizers, WriteBackWhatTheyRead) {
  const std::string text = "Once upon a time, there's 1 na\xc3\xafve \xf0\x9f\x98\x80!";
  for (const char* name : {"bytes", "bytes-split", "fallback"}) {
    const auto tokenizer =
        Tokenizer::From({{"tokenizer.json", FileAt(SOURCE_DIR "/tests/vectors/tokenizers/" +
                                                   std::string(name) + ".json")}});
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text) << name;
  }
}

// llama2.c's vocabulary: ids of its own run on the documented opening.
TEST(Tokenizers, ReadLlama2cVocabularies) {
  const auto file = ReadData("models/llama-stories260K/tok512.bin");
  if (!file) GTEST_SKIP() << "needs models/llama-stories260K under WAXSEAL_DATA";
  const auto tokenizer = Tokenizer::From({{"tok512.bin", *file}});
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->size(), 512u);
  EXPECT_EQ(tokenizer->Encode("Once upon a time"), (Ids{1, 403, 407, 261, 378}));
  const std::string text = "Lily said, \"What a day\" \xc3\xa9!";
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text);
}

TEST(Tokenizers, NumbersWhereThereIsNone) {
  const auto tokenizer = Tokenizer::From({});
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->Encode("2 0 17 x 99999999999 1"), (Ids{2, 0, 17, 1}));
  EXPECT_EQ(tokenizer->Decode(Ids{2, 0, 17}), "2 0 17");
}

TEST(Tokenizers, BadFilesAreRefused) {
  const auto refused = [](const std::string& name, const std::string& text) {
    return !Tokenizer::From({{name, proto::Bytes(text.begin(), text.end())}}).has_value();
  };
  for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.txt", "tok512.bin"}) {
    EXPECT_TRUE(refused(name, "")) << name;
    EXPECT_TRUE(refused(name, "x")) << name;
  }
  EXPECT_TRUE(refused("tokenizer.json", std::string(5000, '[')));
  const std::string deep = std::string(1 << 18, '[') + std::string(1 << 18, ']');
  EXPECT_TRUE(
      refused("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": )" +
                                    deep + R"(}, "normalizer": )" + deep + "}"));
  EXPECT_TRUE(refused("tokenizer.json", R"({"model": {"type": "BPE", "dropout": 0.1,
                                                      "vocab": {"a": 0}, "merges": []}})"));
  EXPECT_TRUE(refused("tokenizer.json", R"({"model": {"type": "WordLevel", "vocab": {}}})"));
  EXPECT_TRUE(
      refused("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {"a": 4294967295}}})"));
  EXPECT_TRUE(refused("tokenizer.json",
                      R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}})"));
  const auto refused_map = [&](const std::string& base64) {
    return refused("tokenizer.json",
                   R"({"normalizer": {"type": "Precompiled",
                                                        "precompiled_charsmap": ")" +
                       base64 +
                       R"("}, "model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0]]}})");
  };
  EXPECT_FALSE(refused_map(""));
  EXPECT_TRUE(refused_map("!"));            // No base64.
  EXPECT_TRUE(refused_map("AAAA"));         // Shorter than its size.
  EXPECT_TRUE(refused_map("/////wAAAAA"));  // A trie of 4 GiB.
  EXPECT_TRUE(refused("tokenizer.json", R"({"pre_tokenizer": {"type": "WhitespaceSplit"},
                          "model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0]]}})"));
  EXPECT_TRUE(refused("tok512.bin", std::string("\0\0\0\0\0\0\0\0\xff\xff\xff\x7f", 12)));
}

TEST(Tokenizers, ArePackedAndUnpacked) {
  const TokenizerFiles files = {{"pad", {'1'}}, {"vocab.txt", {'a', 0, 'b'}}};
  const proto::Bytes packed = PackTokenizer(files);
  EXPECT_EQ(UnpackTokenizer(packed).value(), files);
  for (std::size_t size = 0; size < packed.size(); ++size) {
    EXPECT_FALSE(UnpackTokenizer(proto::ByteSpan(packed).first(size)));
  }
  proto::Bytes longer = packed;
  longer.push_back(0);
  EXPECT_FALSE(UnpackTokenizer(longer));
}

}  // namespace
}  // namespace mpc
