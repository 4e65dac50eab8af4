#include "mpc/model/tokenizer.h"

#include <gtest/gtest.h>

#include "tests/unit/mpc/model/files.h"

namespace mpc {
namespace {

using namespace std::string_literals;
using Ids = std::vector<std::uint32_t>;

const char kVocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\nunaff\n##ab\n,\n[\n]\npad\n";

TEST(Tokenizer, MatchesTheLongestPieceFirst) {
  const auto tokenizer = Tokenizer::FromVocab(proto::AsBytes(kVocab)).value();
  EXPECT_EQ(tokenizer.size(), 13u);
  EXPECT_EQ(tokenizer.Encode("unaffable"), (Ids{2, 7, 6, 3}));
  EXPECT_EQ(tokenizer.Encode("UN,un"), (Ids{2, 4, 9, 4, 3}));
  EXPECT_EQ(tokenizer.Encode("unx un"), (Ids{2, 1, 4, 3}));  // No piece for x: all of the word.
}

TEST(Tokenizer, ASpecialTokensNameIsText) {
  const auto tokenizer = Tokenizer::FromVocab(proto::AsBytes(kVocab)).value();
  EXPECT_EQ(tokenizer.Encode("[PAD]"), (Ids{2, 10, 12, 11, 3}));
}

// "Un", "un", "é" and "中文" with and without a cased vocabulary's settings.
TEST(Tokenizer, KeepsCaseAndAccentsWhereToldTo) {
  const std::string vocab =
      "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\nUn\ne\n\xc3\xa9\n\xe4\xb8\xad\n##\xe6\x96\x87\n";
  const std::string text = "Un un \xc3\xa9 \xe4\xb8\xad\xe6\x96\x87";
  const auto ids = [&](const std::string& settings) {
    const auto bytes = [](const std::string& s) { return proto::Bytes(s.begin(), s.end()); };
    TokenizerFiles files = {{"vocab.txt", bytes(vocab)}};
    if (!settings.empty()) files.emplace("tokenizer_config.json", bytes(settings));
    const auto tokenizer = Tokenizer::From(files);
    return tokenizer ? tokenizer->Encode(text) : Ids{};
  };
  EXPECT_EQ(ids(""), (Ids{2, 4, 4, 6, 8, 1, 3}));
  EXPECT_EQ(ids("{}"), ids(""));
  EXPECT_EQ(ids(R"({"do_lower_case": false})"), (Ids{2, 5, 4, 7, 8, 1, 3}));
  EXPECT_EQ(ids(R"({"do_lower_case": true, "strip_accents": false})"), (Ids{2, 4, 4, 7, 8, 1, 3}));
  EXPECT_EQ(ids(R"({"do_lower_case": false, "tokenize_chinese_chars": false})"),
            (Ids{2, 5, 4, 7, 8, 9, 3}));
  EXPECT_EQ(ids("no JSON"), Ids{});
}

TEST(Tokenizer, DropsWhatIsNotUtf8) {
  const auto tokenizer = Tokenizer::FromVocab(proto::AsBytes(kVocab)).value();
  EXPECT_EQ(tokenizer.Encode("u\xff\xc0n\xe2\x82"), (Ids{2, 4, 3}));
}

TEST(Tokenizer, RefusesBadVocabularies) {
  EXPECT_FALSE(Tokenizer::FromVocab({}));
  EXPECT_FALSE(Tokenizer::FromVocab(proto::AsBytes("[PAD]\n[UNK]\n[CLS]\n")));
  EXPECT_FALSE(Tokenizer::FromVocab(proto::AsBytes(std::string(kVocab) + "un\n")));
  EXPECT_FALSE(Tokenizer::FromVocab(proto::AsBytes(kVocab + std::string(1000, 'x'))));
  // Windows line ends, and a last line without one.
  EXPECT_TRUE(Tokenizer::FromVocab(proto::AsBytes("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]")));
}

// Ids of transformers 4.57's BertTokenizer on the published uncased vocabulary.
TEST(Tokenizer, EqualsHuggingFace) {
  const auto vocab = ReadData("tokenizers/bert/vocab.txt");
  if (!vocab) GTEST_SKIP() << "needs tokenizers/bert/vocab.txt under WAXSEAL_DATA";
  const auto tokenizer = Tokenizer::FromVocab(*vocab).value();
  const std::vector<std::pair<std::string, Ids>> cases = {
      {""s, {101, 102}},
      {"   \011\012 "s, {101, 102}},
      {"it 's a charming and often affecting journey . "s,
       {101, 2009, 1005, 1055, 1037, 11951, 1998, 2411, 12473, 4990, 1012, 102}},
      {"Don't PANIC!!! $3.50 (really\077)"s,
       {101, 2123, 1005, 1056, 6634, 999, 999, 999, 1002, 1017, 1012, 2753, 1006, 2428, 1029, 1007,
        102}},
      {"na\303\257ve caf\303\251 \303\205ngstr\303\266m \303\211T\303\211"s,
       {101, 15743, 7668, 17076, 15687, 3802, 2063, 102}},
      {"\316\221\316\243 \316\243\316\237\316\246\316\214\316\243 \304\260stanbul \303\237"s,
       {101, 1155, 29733, 1173, 29730, 29736, 29730, 29733, 9960, 1096, 102}},
      {"\344\270\255\346\226\207 and \346\227\245\346\234\254\350\252\236\343\203\206\343\202\271\343\203\210 \355\225\234\352\265\255\354\226\264"s,
       {101, 1746, 1861, 1998, 1864, 1876, 1950, 1713, 30233, 30240, 1469, 30006, 30021, 29991,
        30014, 30020, 29999, 30008, 102}},
      {"tabs\011and\302\240spaces\342\200\203here\342\200\250line"s,
       {101, 21628, 2015, 1998, 7258, 2182, 2240, 102}},
      {"zero\342\200\213width \007bell \302\255soft"s,
       {101, 5717, 9148, 11927, 2232, 4330, 3730, 102}},
      {"a\314\201e\314\210 combining \314\201alone"s, {101, 29347, 11566, 2894, 102}},
      {"\357\254\201ne \307\205 \302\275 \302\262 \342\204\242"s,
       {101, 1984, 2638, 100, 1092, 1082, 1580, 102}},
      {"emoji \360\237\230\200 and \360\237\217\263\357\270\217\342\200\215\360\237\214\210"s,
       {101, 7861, 29147, 2072, 100, 1998, 100, 102}},
      {"\342\200\234quotes\342\200\235 \342\200\224 dashes\342\200\246 \342\200\271x\342\200\272"s,
       {101, 1523, 16614, 1524, 1517, 11454, 2229, 1529, 100, 1060, 1533, 102}},
      {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"s,
       {101,  100,  1061, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100,
        2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100,
        2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100,
        2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100,
        2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100,
        2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100,
        2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 2100, 102}},
      {"unaffable unbelievably transformers"s,
       {101, 14477, 20961, 3468, 4895, 8671, 2666, 3567, 6321, 19081, 102}},
      {"\360\240\200\200\360\252\234\200 ext"s, {101, 100, 100, 4654, 2102, 102}},
      {"`~@#$%^&*_+={}|\134:;\042<>/"s,
       {101,  1036, 1066, 1030, 1001, 1002, 1003, 1034, 1004, 1008, 1035, 1009,
        1027, 1063, 1065, 1064, 1032, 1024, 1025, 1000, 1026, 1028, 1013, 102}},
      {"\357\277\275replaced\000nul"s, {101, 2999, 11231, 2140, 102}},
      {"12,345.678 1/2 50%"s,
       {101, 2260, 1010, 23785, 1012, 6163, 2620, 1015, 1013, 1016, 2753, 1003, 102}},
      {"\320\237\321\200\320\270\320\262\320\265\321\202 \320\234\320\230\320\240 \321\221\320\273\320\272\320\260"s,
       {101, 1194, 16856, 10325, 25529, 15290, 22919, 1191, 10325, 16856, 1185, 29436, 28598, 102}},
      {"\327\251\326\270\327\201\327\234\327\225\326\271\327\235 \330\271\331\216\330\261\331\216\330\250\331\220\331\212\331\221"s,
       {101, 1266, 29799, 29792, 29800, 1288, 17149, 29816, 14498, 102}},
      {"\340\244\271\340\244\277\340\244\250\340\245\215\340\244\246\340\245\200 \340\271\204\340\270\227\340\270\242"s,
       {101, 1339, 29877, 29863, 29861, 29878, 100, 102}},
  };
  for (const auto& [text, ids] : cases) EXPECT_EQ(tokenizer.Encode(text), ids) << text;
}

}  // namespace
}  // namespace mpc
