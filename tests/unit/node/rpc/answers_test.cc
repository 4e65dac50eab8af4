// Answers with proofs: whoever checks one makes it again, and believes no other.

#include "node/rpc/answers.h"

#include <gtest/gtest.h>

#include "node/rpc/json.h"
#include "node/rpc/method_table.h"
#include "node/rpc/proof_json.h"
#include "tests/unit/node/ledger/proofs.h"

namespace node::test {
namespace {

class Answers : public testing::Test, protected Proofs {
 protected:
  // As a validator answers.
  Json Given(const std::string& method, const Json& params) const {
    const auto read = Params::From(params, FindMethod(method)->params);
    EXPECT_TRUE(read.has_value()) << read.error().message;
    proto::Proof proof;
    if (method == "block") {
      proof = block_receipts_;
    } else if (method == "transaction") {
      proof = transaction_;
    } else {
      const SnapshotFacts facts(*world_.ledger.snapshot(block_.height));
      EXPECT_TRUE(MakeAnswer(world_.genesis, method, *read, facts).has_value());
      proof = ProveRecords({block_, Signed(block_, 3), *world_.ledger.snapshot(block_.height)},
                           facts.asked());
    }
    const auto answer = MakeAnswer(world_.genesis, method, *read, ClaimedFacts(proof));
    EXPECT_TRUE(answer.has_value()) << method << ": " << answer.error().message;
    return Json::parse(WithProof(method, *read, *answer, proof).dump());
  }
  proto::Result<CheckedAnswer> Check(const Json& given) const {
    LightClient client(world_.genesis);
    return VerifyAnswer(client, given);
  }
  // One question for each provable method.
  std::map<std::string, Json> Questions() const {
    const Digest model = world_.ledger.snapshot().models(1, 1).at(0);
    return {{"account", {{"key", world_.clients[0].public_key().hex()}}},
            {"attempt", {{"id", 1}}},
            {"block", Json::object()},
            {"epoch", {{"number", 1}}},
            {"model", {{"id", model.hex()}}},
            {"models", Json::object()},
            {"params", Json::object()},
            {"pool", Json::object()},
            {"record", {{"key", proto::ToHex(proto::TotalsKey())}}},
            {"request", {{"id", request_}}},
            {"transaction", {{"id", receipts_[4].transaction.hex()}}},
            {"validators", Json::object()}};
  }
};

TEST_F(Answers, EveryProvableMethodsAnswerIsProved) {
  const auto questions = Questions();
  for (const MethodSpec& spec : MethodTable()) {
    EXPECT_EQ(spec.provable, questions.count(spec.name) == 1) << spec.name;
  }
  for (const auto& [method, params] : questions) {
    const Json given = Given(method, params);
    const auto checked = Check(given);
    ASSERT_TRUE(checked.has_value()) << method << ": " << checked.error().message;
    EXPECT_EQ(checked->method, method);
    EXPECT_EQ(checked->answer, given["answer"]);
    EXPECT_FALSE(checked->answer.empty()) << method;
    EXPECT_EQ(checked->proven.header(), block_);
  }
}

TEST_F(Answers, SayWhatTheStateSays) {
  const Snapshot state = *world_.ledger.snapshot(block_.height);
  const auto answer = [&](const std::string& method) {
    return Check(Given(method, Questions().at(method)))->answer;
  };
  EXPECT_EQ(answer("account"), ToJson(state.account(world_.clients[0].public_key())));
  EXPECT_EQ(answer("request")["status"], "submitted");
  EXPECT_EQ(answer("request")["attempt"], 1);
  EXPECT_EQ(answer("attempt")["status"], "assigned");
  EXPECT_EQ(answer("attempt")["pass"].size(), 3u) << "by name, which the epoch's record gives";
  EXPECT_EQ(answer("attempt")["pass"][0], "validator-0");
  EXPECT_EQ(answer("models").size(), 1u);
  EXPECT_EQ(answer("model")["name"], "tiny");
  EXPECT_EQ(answer("pool")[0]["name"], "tiny");
  EXPECT_EQ(answer("validators").size(), 4u);
  EXPECT_EQ(answer("validators")[0]["member"], true);
  EXPECT_EQ(answer("epoch")["validators"].size(), 4u);
  EXPECT_EQ(answer("block")["transactions"].size(), 5u);
  EXPECT_EQ(answer("transaction")["payload"]["kind"], "transfer");
  EXPECT_EQ(answer("params")["spec"]["transaction_fee"], 10);
}

TEST_F(Answers, AbsenceIsAnAnswer) {
  for (const char* method : {"request", "attempt"}) {
    const auto checked = Check(Given(method, {{"id", 99}}));
    ASSERT_TRUE(checked.has_value()) << checked.error().message;
    EXPECT_TRUE(checked->answer.is_null());
  }
  const auto nobody = Check(Given("account", {{"key", MakeKey("nobody").public_key().hex()}}));
  ASSERT_TRUE(nobody.has_value());
  EXPECT_EQ(nobody->answer["balance"], 0);
}

// Every value of every answer, and the question, changed.
TEST_F(Answers, NoOtherAnswerIsBelieved) {
  for (const auto& [method, params] : Questions()) {
    Json given = Given(method, params);
    int changed = 0;
    const std::function<void(Json&)> visit = [&](Json& value) {
      if (value.is_structured()) {
        for (Json& inner : value) visit(inner);
      }
      const Json good = value;
      for (const Json& bad : {Json("another"), Json(4711), Json(nullptr), Json::array({1})}) {
        if (bad == good) continue;
        value = bad;
        EXPECT_FALSE(Check(given).has_value()) << method << ": " << good << " as " << bad;
        ++changed;
      }
      value = good;
    };
    visit(given["answer"]);
    visit(given["height"]);
    EXPECT_GT(changed, 4) << method;
    EXPECT_TRUE(Check(given).has_value());
    for (const char* field : {"question", "answer", "height", "proof"}) {
      Json less = given;
      less.erase(field);
      EXPECT_FALSE(Check(less).has_value()) << method << " without " << field;
    }
  }
}

// A true proof of something else is no answer.
TEST_F(Answers, AnotherQuestionsProofIsRefused) {
  const auto questions = Questions();
  int refused = 0;
  for (const auto& [method, params] : questions) {
    for (const auto& [other, other_params] : questions) {
      if (other == method || method == "params") continue;
      Json given = Given(method, params);
      given["proof"] = Given(other, other_params)["proof"];
      // Some prove more than they were asked for; what passes is the same truth.
      const auto checked = Check(given);
      EXPECT_TRUE(!checked || checked->answer == given["answer"]) << method << " by " << other;
      refused += checked ? 0 : 1;
    }
  }
  EXPECT_GT(refused, 90);
  Json given = Given("request", {{"id", request_}});
  given["question"]["params"]["id"] = request_ + 1;
  EXPECT_FALSE(Check(given).has_value());
  given = Given("transaction", questions.at("transaction"));
  given["question"]["params"]["id"] = receipts_[3].transaction.hex();
  EXPECT_FALSE(Check(given).has_value());
  given = Given("block", Json::object());
  given["question"]["params"]["height"] = block_.height + 1;
  EXPECT_FALSE(Check(given).has_value());
  // Whoever asked goes by the own question, whatever the answer says was asked.
  LightClient client(world_.genesis);
  given = Given("request", {{"id", request_}});
  EXPECT_TRUE(VerifyAnswer(client, "request", {{"id", request_}}, given).has_value());
  EXPECT_FALSE(VerifyAnswer(client, "request", {{"id", request_ + 1}}, given).has_value());
  EXPECT_FALSE(VerifyAnswer(client, "attempt", {{"id", request_}}, given).has_value());
  EXPECT_FALSE(VerifyAnswer(client, "status", Json::object(), given).has_value());
}

TEST_F(Answers, WhatIsNoAnswerAtAllIsRefused) {
  for (const Json& given :
       {Json(), Json(3), Json::array(), Json::object(), Json("x"), Json{{"question", 1}},
        Json{{"question", {{"method", 1}}}},
        Json{{"question", {{"method", "account"}, {"params", 3}}}, {"proof", Json::object()}}}) {
    EXPECT_FALSE(Check(given).has_value()) << given;
  }
}

}  // namespace
}  // namespace node::test
