// The methods over a chain whose committee has changed twice: what they prove, a client believes
// with the genesis document alone; and what they are said to take and answer, they do.

#include "node/rpc/methods.h"

#include <fstream>
#include <map>

#include <gtest/gtest.h>

#include "node/rpc/answers.h"
#include "node/rpc/block_reader.h"
#include "node/rpc/json_rpc.h"
#include "node/rpc/method_table.h"
#include "tests/unit/node/ledger/chain.h"

namespace node::test {
namespace {

class MapStore final : public KeyValueStore {
 public:
  proto::Result<std::optional<Bytes>> Get(proto::ByteSpan key) const override {
    const auto found = map_.find(Bytes(key.begin(), key.end()));
    return found == map_.end() ? std::nullopt : std::optional(found->second);
  }
  proto::Result<> Apply(const std::vector<KeyWrite>& writes, bool) override {
    for (const KeyWrite& write : writes) {
      if (write.value) map_[write.key] = *write.value;
      if (!write.value) map_.erase(write.key);
    }
    return {};
  }
  proto::Result<std::vector<std::pair<Bytes, Bytes>>> Scan(proto::ByteSpan, proto::ByteSpan,
                                                           std::size_t) const override {
    return std::vector<std::pair<Bytes, Bytes>>();
  }

 private:
  std::map<Bytes, Bytes> map_;
};

// A validator without a network.
class FakeBackend final : public Backend {
 public:
  explicit FakeBackend(const Chain& chain) : chain_(chain) {}

  const proto::Genesis& genesis() const override { return chain_.genesis; }
  const Digest& chain() const override { return chain_.ledger.chain().id; }
  proto::PublicKey key() const override { return chain_.validators[0].public_key(); }
  Snapshot latest() const override { return chain_.ledger.snapshot(); }
  std::optional<ProvenBlock> proven() const override { return proven_block; }
  const KeyValueStore& store() const override { return map; }
  proto::Result<Digest> Submit(Bytes) override { return MakeDigest("submitted"); }
  proto::Result<std::vector<proto::Result<Digest>>> SubmitAll(std::vector<Bytes>) override {
    return std::vector<proto::Result<Digest>>();
  }
  Counters counters() const override { return {}; }
  proto::Result<std::vector<mpc::Fp>> MaskShares(std::uint64_t) override { return Nothing(); }
  std::vector<AnswerStep> AnswerSteps(std::uint64_t request, std::uint64_t from,
                                      std::size_t count) const override {
    std::vector<AnswerStep> steps;
    for (std::uint64_t i = from; i < answer_steps.size() && steps.size() < count; ++i) {
      if (request == answer_of) steps.push_back(answer_steps[i]);
    }
    return steps;
  }
  proto::Result<> AddModelFile(Bytes) override { return Nothing(); }
  proto::Result<proto::SharedBytes> ReadModelFile(const Digest&) override { return Nothing(); }
  ServiceStatus service_status() const override { return status; }
  SyncStatus sync_status() const override { return {}; }
  std::optional<proto::sync::Message> SyncAnswer(proto::sync::Message) override { return {}; }
  std::vector<PeerLink> peers() const override { return {}; }
  proto::Signature Sign(std::uint64_t, const Digest& digest) const override {
    return chain_.validators[0].Sign(digest);
  }
  Bytes Entropy(std::size_t count) const override { return Bytes(count, 7); }
  std::optional<std::string> why_not_ready() const override { return std::nullopt; }

  MapStore map;
  std::optional<ProvenBlock> proven_block;
  ServiceStatus status;
  std::uint64_t answer_of = 0;
  std::vector<AnswerStep> answer_steps;

 private:
  static tl::unexpected<proto::Error> Nothing() {
    return proto::Fail(proto::ErrorCode::kNotFound, "there is none");
  }
  const Chain& chain_;
};

class MethodsOfAChain : public testing::Test {
 protected:
  MethodsOfAChain() : backend_(chain_), handlers_(MakeHandlers(backend_)) {
    model_ = chain_.Activate();
    chain_.Preprocess(1);
    for (const std::size_t client : {0, 1}) {
      EXPECT_EQ(chain_.Join(client).code, ReceiptCode::kDone);
      const proto::EpochLink link = chain_.NextEpoch();
      Store({LinkWrite(link)});
    }
    request_ = chain_.Open(model_);
    for (std::uint64_t i = 0; i < 3; ++i) {
      transactions_.push_back(
          chain_.FromClient(2, proto::Transfer{chain_.clients[1].public_key(), i}, i));
    }
    // Signed only with the second block after it.
    placed_ = Add(transactions_, false);
    Add({}, false);
    Add({}, true);
  }

  void Store(const std::vector<KeyWrite>& writes) {
    ASSERT_TRUE(backend_.map.Apply(writes, false).has_value());
  }
  BlockResult Add(const std::vector<Bytes>& transactions, bool is_signed) {
    BlockResult block = chain_.Run(transactions);
    StoredBlock stored{block.header, {}, transactions, block.receipts};
    Store(BlockWrites(backend_.map, stored).value());
    if (is_signed) {
      const auto signatures =
          chain_.Signatures(chain_.ledger.snapshot().epoch()->record, block.header);
      Store({SignaturesWrite(block.header.height, signatures)});
      backend_.proven_block = ProvenBlock{block.header, signatures, chain_.ledger.snapshot()};
    }
    return block;
  }
  Json Call(const std::string& method, const Json& params) const {
    const Json asked = {{"jsonrpc", "2.0"}, {"method", method}, {"params", params}, {"id", 1}};
    return Json::parse(handlers_.call(asked.dump()));
  }
  std::map<std::string, Json> Questions() const {
    return {{"account", {{"key", chain_.clients[2].public_key().hex()}}},
            {"attempt", {{"id", 1}}},
            {"block", {{"height", placed_.header.height}}},
            {"epoch", Json::object()},
            {"model", {{"id", model_.hex()}}},
            {"models", Json::object()},
            {"params", Json::object()},
            {"pool", Json::object()},
            {"record", {{"key", proto::ToHex(proto::EpochKey(3))}}},
            {"request", {{"id", request_}}},
            {"transaction", {{"id", placed_.receipts[1].transaction.hex()}}},
            {"validators", Json::object()}};
  }

  Chain chain_;
  FakeBackend backend_;
  RpcHandlers handlers_;
  Digest model_;
  std::uint64_t request_ = 0;
  std::vector<Bytes> transactions_;
  BlockResult placed_;
};

TEST_F(MethodsOfAChain, WhatTheyProveIsBelievedFromGenesis) {
  for (const auto& [method, params] : Questions()) {
    Json asked = params;
    asked["prove"] = true;
    const Json answer = Call(method, asked);
    ASSERT_TRUE(answer.contains("result")) << method << ": " << answer;
    LightClient client(chain_.genesis);
    const auto checked = VerifyAnswer(client, method, params, answer["result"]);
    ASSERT_TRUE(checked.has_value()) << method << ": " << checked.error().message;
    EXPECT_EQ(client.epoch().number, 3u);
    const bool of_block = method == "block" || method == "transaction";
    EXPECT_EQ(checked->proven.header(), of_block ? placed_.header : backend_.proven_block->header);
    EXPECT_EQ(checked->proven.proof().headers.size(), of_block ? 3u : 1u);
    // Nobody who leaves out a change of the committee is believed.
    Json less = answer["result"];
    less["proof"]["links"].erase(0);
    LightClient another(chain_.genesis);
    EXPECT_FALSE(VerifyAnswer(another, method, params, less).has_value()) << method;
  }
}

// The links of some hundred epochs go with an answer, and none of them where there are too many.
TEST_F(MethodsOfAChain, LinksGoWithAnAnswerWithinItsLimit) {
  const auto links = [&] {
    const Json asked = {{"key", proto::ToHex(proto::TotalsKey())}, {"prove", true}};
    return Call("record", asked)["result"]["proof"]["links"].size();
  };
  EXPECT_EQ(links(), 2u);
  const auto bytes = ReadLink(backend_.map, 3);
  ASSERT_TRUE(bytes && *bytes);
  proto::EpochLink link = proto::DecodeLink(**bytes).value();
  std::size_t size = 0;
  while (size <= (std::size_t{2} << 20)) {
    link.next.number += 1;
    Store({LinkWrite(link)});
    size += proto::EncodeLink(link).size();
    if (link.next.number == 200) {
      EXPECT_EQ(links(), 199u);
    }
  }
  EXPECT_GT(link.next.number, 400u);
  EXPECT_EQ(links(), 0u);
}

// The same state, so the same answer, but for what only this validator knows.
TEST_F(MethodsOfAChain, ProvedAndUnprovedAnswersAgree) {
  backend_.status.requests[request_] = Effort{1, 2, 3, 4};
  backend_.status.models[model_] = true;
  for (const auto& [method, params] : Questions()) {
    Json asked = params;
    asked["prove"] = true;
    Json proved = Call(method, asked)["result"]["answer"];
    Json plain = Call(method, params)["result"];
    if (method == "request") {
      EXPECT_EQ(plain["effort"]["bytes_sent"], 3);
    }
    if (method == "model") {
      EXPECT_EQ(plain["files_here"], true);
    }
    for (const char* own : {"effort", "files_here", "signatures", "payload"}) {
      if (plain.is_object()) plain.erase(own);
      if (proved.is_object()) proved.erase(own);
    }
    if (method == "models") plain[0].erase("files_here");
    if (method == "block") {
      for (Json& transaction : plain["transactions"]) transaction.erase("bytes");
    }
    EXPECT_EQ(proved, plain) << method;
  }
}

TEST_F(MethodsOfAChain, SayWhyThereIsNoProof) {
  const auto code = [&](const std::string& method, const Json& params) {
    return Call(method, params)["error"]["code"];
  };
  EXPECT_EQ(code("transaction", {{"id", MakeDigest("none").hex()}, {"prove", true}}), -32001);
  EXPECT_EQ(code("block", {{"height", 10'000}, {"prove", true}}), -32001);
  EXPECT_EQ(code("request", {{"id", 99}}), -32001);
  EXPECT_TRUE(Call("request", {{"id", 99}, {"prove", true}})["result"]["answer"].is_null());
  // The newest block is not signed yet; then nothing is.
  const BlockResult block = Add({}, false);
  EXPECT_EQ(code("block", {{"height", block.header.height}, {"prove", true}}), -32002);
  EXPECT_TRUE(Call("block", {{"height", block.header.height}}).contains("result"));
  backend_.proven_block.reset();
  EXPECT_EQ(code("account", {{"key", model_.hex()}, {"prove", true}}), -32002);
  // Not provable: no such parameter.
  EXPECT_EQ(code("status", {{"prove", true}}), -32602);
}

TEST_F(MethodsOfAChain, TellWhatIsComputedOfAnAnswer) {
  backend_.answer_of = request_;
  for (std::uint8_t i = 0; i < 200; ++i) {
    const Bytes shares(16, i);
    backend_.answer_steps.push_back(
        {shares, chain_.validators[0].Sign(MakeDigest("step " + std::to_string(i)))});
  }
  const Json first = Call("request_progress", {{"request", request_}})["result"]["steps"];
  ASSERT_EQ(first.size(), 200u);
  const Json later = Call("request_progress", {{"request", request_}, {"from", 198}});
  ASSERT_EQ(later["result"]["steps"].size(), 2u);
  EXPECT_EQ(later["result"]["steps"][1], first[199]);
  EXPECT_EQ(first[3]["shares"], "03030303030303030303030303030303");
  EXPECT_EQ(first[3]["signature"], proto::ToHex(backend_.answer_steps[3].signature.span()));
  EXPECT_TRUE(
      Call("request_progress", {{"request", request_}, {"from", 200}})["result"]["steps"].empty());
  EXPECT_EQ(Call("request_progress", {{"request", 99}})["error"]["code"], -32001);
}

// rpc.discover is the table, the table is the interface, and errors are those it names.
TEST_F(MethodsOfAChain, AreAsTheyAreDescribed) {
  const Json document = Call("rpc.discover", Json::object())["result"];
  std::map<std::string, Json> described;
  for (const Json& method : document["methods"]) described[method["name"]] = method;
  EXPECT_EQ(described.size(), MethodTable().size() + 1);
  for (const MethodSpec& spec : MethodTable()) {
    SCOPED_TRACE(spec.name);
    const Json& method = described.at(spec.name);
    EXPECT_FALSE(spec.about.empty() || spec.result.empty());
    EXPECT_EQ(method["summary"], spec.about);
    ASSERT_EQ(method["params"].size(), spec.params.size() + (spec.provable ? 1 : 0));
    for (std::size_t i = 0; i < spec.params.size(); ++i) {
      EXPECT_EQ(method["params"][i]["name"], spec.params[i].name);
      EXPECT_EQ(method["params"][i]["description"], spec.params[i].about);
      EXPECT_FALSE(spec.params[i].about.empty());
    }
    EXPECT_TRUE(!spec.provable || method["params"].back()["name"] == "prove");
    std::set<int> codes;
    for (const Json& error : method["errors"]) {
      const std::string reference = error["$ref"];
      codes.insert(document.at(Json::json_pointer(reference.substr(1)))["code"].get<int>());
    }
    for (const RpcCode code : spec.errors) EXPECT_TRUE(codes.count(static_cast<int>(code)));
    // Whatever goes wrong has a code that is described.
    const std::string zeros(128, '0');
    for (const Json& value : {Json(0), Json(1), Json(77), Json(zeros), Json(zeros.substr(64)),
                              Json("aabb"), Json(true), Json::array(), Json()}) {
      Json params = Json::object();
      for (const Json& param : method["params"]) {
        params[param["name"].get<std::string>()] = value;
        const Json answer = Call(spec.name, params);
        if (!answer.contains("error")) continue;
        EXPECT_TRUE(codes.count(answer["error"]["code"].get<int>()))
            << params << " gives " << answer["error"];
      }
    }
  }
}

// Each method has its section there, with its parameters, its own errors and an example.
TEST_F(MethodsOfAChain, AreExplained) {
  std::ifstream file(std::string(SOURCE_DIR) + "/docs/rpc.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  const Json document = Call("rpc.discover", Json::object())["result"];
  for (const Json& method : document["methods"]) {
    const std::string name = method["name"];
    SCOPED_TRACE(name);
    const auto begin = page.find("### `" + name + "`\n");
    ASSERT_NE(begin, std::string::npos) << "docs/rpc.md does not explain it";
    const std::string section = page.substr(begin, page.find("\n### ", begin + 1) - begin);
    const auto says = [&](const std::string& text) {
      EXPECT_NE(section.find(text), std::string::npos) << text;
    };
    says(method["summary"]);
    says(method["result"]["description"]);
    says("{\"method\": \"" + name + "\"");
    bool provable = false;
    for (const Json& param : method["params"]) {
      if (param["name"] == "prove") {
        provable = true;
        continue;
      }
      says("| `" + param["name"].get<std::string>() + "` |");
      says(param["description"]);
    }
    if (provable) {
      says("*Provable.*");
      says("waxseal query " + name);
      says("waxseal verify " + name + ".json");
    }
    if (const MethodSpec* spec = FindMethod(name)) {
      for (const RpcCode code : spec->errors) says(std::to_string(static_cast<int>(code)));
    }
  }
  for (const auto& [name, error] : document["components"]["errors"].items()) {
    EXPECT_LT(error["code"], 0) << name;
  }
}

}  // namespace
}  // namespace node::test
