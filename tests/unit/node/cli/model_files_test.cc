// Directories that are no good models: each gets an answer that says what is wrong.
#include "node/cli/model_files.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/mpc/model/small_model.h"

namespace node {
namespace {

namespace fs = std::filesystem;

struct NamedTensor {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::vector<float> values;
};

std::vector<NamedTensor> SmallTensors() {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, shape] : mpc::SmallModelShapes()) {
    std::uint64_t size = 1;
    for (const std::uint64_t side : shape) size *= side;
    tensors.push_back({name, shape, std::vector<float>(size, 0.25F)});
    for (std::size_t i = 0; i < size; i += 3) tensors.back().values[i] = -0.5F;
  }
  return tensors;
}

proto::Bytes Written(const std::vector<NamedTensor>& tensors) {
  mpc::SafetensorsWriter writer;
  for (const NamedTensor& t : tensors) writer.Add(t.name, t.shape, t.values);
  return writer.Finish();
}

class ModelDirectory : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "waxseal-model-XXXXXX";
    ASSERT_NE(mkdtemp(directory_.data()), nullptr);
    const mpc::SmallModelFiles small;
    Write("config.json", small.config);
    Write("vocab.txt", small.vocab);
    Write("calibration.txt", small.calibration);
    Write("model.safetensors", small.safetensors);
  }
  void TearDown() override { fs::remove_all(directory_); }

  template <class Content>
  void Write(const std::string& name, const Content& content) const {
    std::ofstream out(directory_ + "/" + name, std::ios::binary);
    out.write(reinterpret_cast<const char*>(content.data()),
              static_cast<std::streamsize>(content.size()));
  }
  // Two shards and their index.
  void Shard(const proto::Bytes& first, const proto::Bytes& second,
             const std::string& map = R"("a":"model-1.safetensors","b":"model-2.safetensors")") {
    fs::remove(directory_ + "/model.safetensors");
    Write("model-1.safetensors", first);
    Write("model-2.safetensors", second);
    Write("model.safetensors.index.json", R"({"weight_map":{)" + map + "}}");
  }
  void ExpectRefused(const std::string& because) const {
    const auto model = ReadModel(directory_, "", "");
    ASSERT_FALSE(model) << "not refused, for " << because;
    EXPECT_NE(model.error().message.find(because), std::string::npos) << model.error().message;
  }

  std::string directory_;
};

TEST_F(ModelDirectory, IsReadWholeOrInShards) {
  ASSERT_TRUE(ReadModel(directory_, "", ""));
  const auto tensors = SmallTensors();
  const auto middle = tensors.begin() + 9;
  Shard(Written({tensors.begin(), middle}), Written({middle, tensors.end()}));
  const auto model = ReadModel(directory_, "", "");
  EXPECT_TRUE(model) << model.error().message;
}

// SentencePiece's file under the name that XLM-RoBERTa gives it, and under any with --vocab.
TEST_F(ModelDirectory, FindsSentencePiecesFile) {
  fs::remove(directory_ + "/vocab.txt");
  ExpectRefused("no tokenizer");
  const fs::path vectors = fs::path(SOURCE_DIR) / "tests/vectors/tokenizers";
  fs::copy(vectors / "sp-bpe.model", directory_ + "/sentencepiece.bpe.model");
  ExpectRefused("the tokenizer has");  // Many more pieces than the small model.
  const auto named = ReadModel(directory_, (vectors / "sp-bpe.model").string(), "");
  ASSERT_FALSE(named);
  EXPECT_NE(named.error().message.find("the tokenizer has"), std::string::npos);
  Write("sentencepiece.bpe.model", std::string("no model"));
  ExpectRefused("tokenizer.model: ");
}

// Beside vocab.txt it says what is not in it.
TEST_F(ModelDirectory, ReadsWhetherTheVocabularyIsCased) {
  Write("vocab.txt", std::string("[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\nUn\n"));
  const auto ids = [&] { return ReadModel(directory_, "", "")->tokenizer.Encode("Un un"); };
  EXPECT_EQ(ids(), (std::vector<std::uint32_t>{2, 4, 4, 3}));
  Write("tokenizer_config.json", std::string(R"({"do_lower_case": false})"));
  EXPECT_EQ(ids(), (std::vector<std::uint32_t>{2, 5, 4, 3}));
  const auto model = ReadModel(directory_, "", "");
  const auto packed = mpc::UnpackTokenizer(mpc::PackTokenizer(model->tokenizer_files));
  EXPECT_EQ(mpc::Tokenizer::From(*packed)->Encode("Un un"), ids());
}

// A text's first token must not be what the config calls a pad.
TEST_F(ModelDirectory, TakesTheTokenizersPad) {
  Write("vocab.txt", std::string("[CLS]\n[UNK]\n[PAD]\n[SEP]\nun\n"));
  const auto model = ReadModel(directory_, "", "");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->reference.config.pad_token_id, 2u);
  EXPECT_EQ(proto::AsText(model->tokenizer_files.at("pad")), "2");
}

TEST_F(ModelDirectory, RefusesWhatFollowsAnEmbedding) {
  mpc::SmallModelFiles small;
  const std::string name = "BertForSequenceClassification";
  small.config.replace(small.config.find(name), name.size(), "BertModel");
  Write("config.json", small.config);
  auto tensors = SmallTensors();
  std::erase_if(tensors, [](const auto& t) { return t.name.find("classifier") == 0; });
  Write("model.safetensors", Written(tensors));
  const auto modules = [](const std::string& last) {
    return R"([{"type": "sentence_transformers.models.Transformer"},
               {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
               {"type": "sentence_transformers.models.)" +
           last + R"("}])";
  };
  Write("modules.json", modules("Normalize"));
  fs::create_directory(directory_ + "/1_Pooling");
  Write("1_Pooling/config.json", std::string(R"({"pooling_mode_cls_token": true})"));
  const auto model = ReadModel(directory_, "", "");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->reference.config.pooling, mpc::Pooling::kFirst);
  Write("1_Pooling/config.json",
        std::string(R"({"pooling_mode_cls_token": true, "pooling_mode_max_tokens": true})"));
  ExpectRefused("this pooling is not supported");
  Write("modules.json", modules("Dense"));
  ExpectRefused("models.Dense");
}

TEST_F(ModelDirectory, WaitsForNoPipe) {
  for (const char* name : {"config.json", "model.safetensors", "vocab.txt", "calibration.txt"}) {
    const std::string path = directory_ + "/" + name, aside = directory_ + "/aside";
    fs::rename(path, aside);
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    ExpectRefused("is no file");
    fs::remove(path);
    fs::rename(aside, path);
  }
  fs::resize_file(directory_ + "/config.json", std::uint64_t{1} << 40);  // Without a block of it.
  ExpectRefused("config.json");
}

TEST_F(ModelDirectory, NamesAnExtraTensor) {
  auto tensors = SmallTensors();
  tensors.push_back({"bert.encoder.layer.7.surplus.weight", {2, 2}, {1, 2, 3, 4}});
  Write("model.safetensors", Written(tensors));
  ExpectRefused("bert.encoder.layer.7.surplus.weight");
}

TEST_F(ModelDirectory, NamesAMissingTensor) {
  auto tensors = SmallTensors();
  const std::string name = tensors[4].name;
  tensors.erase(tensors.begin() + 4);
  Write("model.safetensors", Written(tensors));
  ExpectRefused(name);
}

TEST_F(ModelDirectory, NamesATensorThatHoldsNoNumber) {
  for (const float value : {NAN, INFINITY, -INFINITY}) {
    auto tensors = SmallTensors();
    tensors[6].values[1] = value;
    Write("model.safetensors", Written(tensors));
    ExpectRefused(tensors[6].name);
  }
}

TEST_F(ModelDirectory, RefusesATensorInTwoShards) {
  const auto tensors = SmallTensors();
  Shard(Written(tensors), Written({tensors[0]}));
  ExpectRefused(tensors[0].name);
}

TEST_F(ModelDirectory, RefusesHostileShards) {
  const auto tensors = SmallTensors();
  const proto::Bytes good = Written(tensors);
  const proto::Bytes data(16, 0);
  const auto hostile = [&](const std::string& offsets) {
    return mpc::SafetensorsFile(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                R"("y":{"dtype":"F32","shape":[2],"data_offsets":)" +
                                    offsets + "}}",
                                data);
  };
  for (const char* offsets :
       {"[4,12]", "[8,18446744073709551615]", "[-8,0]", "[16,8]", "[8,12]", "[8,24]", "[1e9,8]"}) {
    Shard(good, hostile(offsets));
    ExpectRefused(directory_);
  }
  // A header longer than the file, and than memory.
  for (const std::uint64_t length : {std::uint64_t{1} << 20, ~std::uint64_t{0}}) {
    proto::Bytes bytes;
    proto::PutU64(bytes, length);
    bytes.insert(bytes.end(), 64, '{');
    Shard(good, bytes);
    ExpectRefused(directory_);
  }
  Shard(good, hostile("[8,16]"));  // Well formed, and not the model's.
  ExpectRefused("x");
}

TEST_F(ModelDirectory, RefusesAnIndexThatLeavesTheDirectory) {
  const proto::Bytes good = Written(SmallTensors());
  for (const char* name : {"../x.safetensors", "/etc/passwd", "sub/y.safetensors", "", "weights"}) {
    Shard(good, good, std::string(R"("a":")") + name + R"(")");
    ExpectRefused("shard");
  }
  Shard(good, good, R"("a":"model-1.safetensors","b":"model-9.safetensors")");
  ExpectRefused("model-9.safetensors");
}

TEST_F(ModelDirectory, RefusesATokenizerOfAnotherSize) {
  Write("vocab.txt", std::string("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\nd\ne\nf\ng\nh\ni\n"));
  ExpectRefused("13 pieces and the model only 11");
}

TEST_F(ModelDirectory, DoubtsATokenizerOfFewerPieces) {
  EXPECT_EQ(ReadModel(directory_, "", "")->doubt, "");
  Write("vocab.txt", std::string("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n"));
  EXPECT_NE(ReadModel(directory_, "", "")->doubt.find("only 6 pieces and the model 11"),
            std::string::npos);
}

TEST_F(ModelDirectory, SaysThatPickledWeightsAreNotRead) {
  fs::rename(directory_ + "/model.safetensors", directory_ + "/pytorch_model.bin");
  ExpectRefused("save the model anew, as safetensors");
}

TEST_F(ModelDirectory, NamesAnArchitectureThatIsNotSupported) {
  mpc::SmallModelFiles small;
  const std::string name = "BertForSequenceClassification";
  small.config.replace(small.config.find(name), name.size(), "T5ForConditionalGeneration");
  Write("config.json", small.config);
  ExpectRefused("T5ForConditionalGeneration");
  ExpectRefused("LlamaForCausalLM");  // Among what is.
}

}  // namespace
}  // namespace node
