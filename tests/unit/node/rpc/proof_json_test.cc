// The JSON form of a proof: it becomes the same bytes again, and nothing else passes.

#include "node/rpc/proof_json.h"

#include <gtest/gtest.h>

#include "tests/unit/node/ledger/proofs.h"

namespace node::test {
namespace {

using nlohmann::json;

class ProofJson : public testing::Test, protected Proofs {
 protected:
  // Through the JSON form to the verifier.
  bool Holds(const json& form) const {
    const auto proof = ProofFromJson(form);
    if (!proof) return false;
    const auto bytes = proto::EncodeProof(*proof);
    return bytes && VerifyProof(world_.genesis, *bytes);
  }
};

// Every value inside, by reference.
void ForEach(json& value, const std::function<void(json&)>& visit) {
  visit(value);
  if (value.is_structured()) {
    for (json& child : value) ForEach(child, visit);
  }
}

TEST_F(ProofJson, ComesBack) {
  for (const proto::Proof& proof : All()) {
    const json form = ToJson(proof);
    const auto again = ProofFromJson(json::parse(form.dump()));
    ASSERT_TRUE(again.has_value()) << again.error().message;
    EXPECT_EQ(*again, proof);
    EXPECT_TRUE(Holds(form));
  }
}

TEST_F(ProofJson, NoValueCanBeAnother) {
  for (const proto::Proof& proof : All()) {
    json form = ToJson(proof);
    int changed = 0;
    ForEach(form, [&](json& value) {
      const json good = value;
      // Names of absent records may become those of others (proof_test).
      const auto try_one = [&](json bad) {
        value = std::move(bad);
        EXPECT_FALSE(Holds(form)) << good.dump().substr(0, 200) << " as "
                                  << value.dump().substr(0, 200);
        ++changed;
      };
      if (good.is_string()) {
        std::string text = good;
        if (!text.starts_with("6163") && !text.starts_with("7265")) {
          text[text.size() / 2] = text[text.size() / 2] == '0' ? '1' : '0';
          try_one(text);
        }
        try_one(good.get<std::string>() + "00");
        try_one(good.get<std::string>() + "0");
        if (!good.get<std::string>().empty()) try_one(good.get<std::string>().substr(2));
        try_one("zz");
      }
      if (good.is_number()) {
        try_one(good.get<std::uint64_t>() + 1);
        try_one(-1);
        try_one(0.5);
        try_one(~std::uint64_t{0});
      }
      if (good.is_array() && !good.empty()) {
        json bad = good;
        bad.erase(0);
        // A record less is a proof of less; a signature beyond n - f may go.
        const bool fewer = good[0].is_object() && (good[0].contains("key") || good.size() > 3);
        if (!fewer) try_one(bad);
        bad = good;
        bad.push_back(good.back());
        try_one(bad);
      }
      if (good.is_object()) {
        for (const auto& [name, field] : good.items()) {
          json bad = good;
          bad.erase(name);
          if (name != "transaction" && name != "receipts") try_one(bad);
          bad[name + "s"] = field;
          try_one(bad);
        }
      }
      for (const json& bad :
           {json(true), json("x"), json(json::array({1})), json(json::object())}) {
        if (bad != good) try_one(bad);
      }
      value = good;
    });
    EXPECT_GT(changed, 60);
    EXPECT_TRUE(Holds(form));
  }
}

TEST_F(ProofJson, ErrorsNameTheField) {
  json form = ToJson(records_);
  form["records"][1]["leaf"]["path"] = 5;
  EXPECT_EQ(ProofFromJson(form).error().message,
            "this is no proof: its field records.leaf.path is not hexadecimal");
  form = ToJson(transaction_);
  form["transaction"].erase("count");
  EXPECT_EQ(ProofFromJson(form).error().message,
            "this is no proof: its field transaction.count is missing");
  form["version"] = 2u;
  EXPECT_EQ(ProofFromJson(form).error().message, "this is no proof: its field version is unknown");
  EXPECT_EQ(ProofFromJson(json::array()).error().message, "this is no proof: it is no object");
}

}  // namespace
}  // namespace node::test
