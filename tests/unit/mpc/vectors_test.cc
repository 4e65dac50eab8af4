// tests/vectors/masked_wire.txt: the executable model and this code agree.

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mpc/functions/trig.h"
#include "mpc/online/operations.h"
#include "mpc/opening/masked.h"
#include "mpc/sharing/replicated.h"
#include "mpc/sharing/shamir.h"

namespace mpc {
namespace {

using proto::Committee;
using proto::PartyId;

Int128 ToInteger(const std::string& text) {
  Int128 value = 0;
  for (const char c : text) {
    if (c != '-') value = 10 * value + (c - '0');
  }
  return text[0] == '-' ? -value : value;
}

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> items;
  std::istringstream in(list);
  for (std::string item; std::getline(in, item, ',');) items.push_back(item);
  return items;
}

std::vector<Fp> ToElements(const std::string& list) {
  std::vector<Fp> elements;
  for (const std::string& item : Split(list)) elements.push_back(Fp::FromSigned(ToInteger(item)));
  return elements;
}

struct Vector {
  std::string kind;
  std::vector<std::string> arguments;
  std::vector<std::string> results;

  // Those of a vector that begins with the committee's size.
  Committee committee() const { return Committee(static_cast<std::uint16_t>(number(0))); }
  std::int64_t number(std::size_t i) const {
    return static_cast<std::int64_t>(ToInteger(arguments.at(i)));
  }
};

// What party `party` knows of the parts.
MaskParts PartsOf(const ReplicatedSets& sets, PartyId party, const std::string& list) {
  MaskParts masks{{}, 1};
  const auto items = Split(list);
  for (SetIndex set = 0; set < sets.count(); ++set) {
    masks.parts.push_back(sets.Contains(set, party) ? static_cast<UInt128>(ToInteger(items.at(set)))
                                                    : 0);
  }
  return masks;
}

std::vector<Fp> SharesOf(const Committee& committee, const std::string& parts, unsigned shift) {
  const ReplicatedSets sets(committee);
  const auto keys = DealReplicatedKeys(sets, proto::Bytes(32));
  std::vector<Fp> shares;
  for (const ReplicatedKeys& key : keys) {
    shares.push_back(Prss(sets, key).ShareOf(PartsOf(sets, key.party(), parts), shift)[0]);
  }
  return shares;
}

void Check(const Vector& v) {
  if (v.kind == "trig") {
    const CosSin got =
        IntegerCosSin(ToInteger(v.arguments[0]), v.number(1), static_cast<unsigned>(v.number(2)));
    EXPECT_TRUE(got.cos == ToInteger(v.results[0]) && got.sin == ToInteger(v.results[1]));
    return;
  }
  const Committee committee = v.committee();
  if (v.kind == "width") {
    EXPECT_EQ(ReplicatedSets(committee).mask_bits(), ToInteger(v.results[0]));
  } else if (v.kind == "factor") {
    const ReplicatedSets sets(committee);
    const auto expected = ToElements(v.results[0]);
    for (std::uint16_t i = 0; i < committee.size(); ++i) {
      EXPECT_TRUE(sets.Factor(static_cast<SetIndex>(v.number(1)), PartyId{i}) == expected.at(i));
    }
  } else if (v.kind == "share_of") {
    EXPECT_TRUE(SharesOf(committee, v.arguments[2], static_cast<unsigned>(v.number(1))) ==
                ToElements(v.results[0]));
  } else if (v.kind == "shift") {
    const auto drop = static_cast<unsigned>(v.number(1));
    EXPECT_TRUE(PublicPart(ToElements(v.arguments[2])[0], drop,
                           ReplicatedSets(committee).count()) == ToElements(v.results[0])[0]);
  } else if (v.kind == "remask") {
    const auto drop = static_cast<unsigned>(v.number(1));
    const Fp masked =
        PublicPart(ToElements(v.arguments[2])[0], drop, ReplicatedSets(committee).count());
    EXPECT_TRUE(masked == ToElements(v.results[0])[0]);
    auto shares = SharesOf(committee, v.arguments[3], drop);
    for (Fp& share : shares) share = masked - share;
    EXPECT_TRUE(shares == ToElements(v.results[1]));
  } else if (v.kind == "product") {
    const Fp mx = ToElements(v.arguments[1])[0];
    const Fp my = ToElements(v.arguments[2])[0];
    const auto lx = ToElements(v.arguments[3]);
    const auto ly = ToElements(v.arguments[4]);
    const auto lxly = ToElements(v.arguments[5]);
    Op op;
    op.kind = OpKind::kMul;
    op.rows = op.cols = 1;
    std::vector<Fp> shares;
    for (std::size_t i = 0; i < committee.size(); ++i) {
      const Tensor x{1, 1, true, {mx}, {mx - lx.at(i)}};
      const Tensor y{1, 1, true, {my}, {my - ly.at(i)}};
      const std::vector<const Tensor*> inputs{&x, &y};
      shares.push_back(Compute({}, op, inputs, std::span(lxly).subspan(i, 1)).share[0]);
    }
    EXPECT_TRUE(shares == ToElements(v.results[0]));
  } else if (v.kind == "decode") {
    RobustDecoder decoder(committee, 1);
    const auto shares = Split(v.arguments[1]);
    for (std::uint16_t i = 0; i < committee.size(); ++i) {
      if (shares.at(i) != "none") decoder.Add(PartyId{i}, ToElements(shares[i]));
    }
    ASSERT_EQ(decoder.decoded(), v.results[0] != "none");
    if (!decoder.decoded()) return;
    EXPECT_TRUE(decoder.values() == ToElements(v.results[0]));
    std::vector<PartyId> wrong;
    if (v.results[1] != "none") {
      for (const std::string& point : Split(v.results[1])) {
        wrong.push_back(static_cast<PartyId>(ToInteger(point) - 1));
      }
    }
    EXPECT_EQ(decoder.wrong(), wrong);
  } else {
    FAIL() << "a kind not known";
  }
}

TEST(Vectors, TheExecutableModelAgrees) {
  std::ifstream file(SOURCE_DIR "/tests/vectors/masked_wire.txt");
  std::map<std::string, int> counts;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    SCOPED_TRACE(line.substr(0, 200));
    std::istringstream words(line);
    Vector vector;
    words >> vector.kind;
    bool results = false;
    for (std::string word; words >> word;) {
      if (word == "->") {
        results = true;
      } else {
        (results ? vector.results : vector.arguments).push_back(word);
      }
    }
    Check(vector);
    ++counts[vector.kind];
  }
  for (const char* kind :
       {"width", "factor", "share_of", "shift", "remask", "product", "decode", "trig"}) {
    EXPECT_GT(counts[kind], 0) << kind;
  }
}

}  // namespace
}  // namespace mpc
