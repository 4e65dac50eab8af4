// What the decoders of proto/wire that read protobuf share. Not for other folders.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <google/protobuf/message.h>

#include "proto/base/bytes.h"
#include "proto/base/check.h"
#include "proto/committee.h"
#include "proto/wire/ledger.h"

namespace proto {

inline std::string Text(ByteSpan bytes) {
  return std::string(AsText(bytes));
}

inline Bytes Serialize(const google::protobuf::MessageLite& message) {
  Bytes bytes(message.ByteSizeLong());
  CHECK(message.SerializeToArray(bytes.data(), static_cast<int>(bytes.size())));
  return bytes;
}

// Parses what is canonical and at most `size_max` bytes; else says what is wrong.
template <class Message>
const char* Parse(ByteSpan bytes, std::size_t size_max, Message& message) {
  if (bytes.size() > size_max) return "it is longer than its limit";
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return "it is not protobuf of its kind";
  }
  message.DiscardUnknownFields();
  return std::ranges::equal(Serialize(message), bytes) ? nullptr : "its encoding is not canonical";
}

// Reads the fields of messages; the first fault is kept and makes all the rest worthless.
class Checker {
 public:
  void Require(bool condition, const char* otherwise) {
    if (!condition && fault_ == nullptr) fault_ = otherwise;
  }
  template <class Name>
  Name Fixed(const std::string& bytes) {
    const auto name = Name::From(AsBytes(bytes));
    Require(name.has_value(), "a key, digest or signature has the wrong length");
    return name ? *name : Name{};
  }
  PartyId Party(std::uint32_t party) {
    Require(party < kCommitteeMax, "a party is beyond the largest committee");
    return static_cast<PartyId>(party);
  }
  // Ascending and distinct, hence at most kCommitteeMax.
  template <class Field>
  std::vector<PartyId> Parties(const Field& field) {
    std::vector<PartyId> parties;
    if (!Limit(field, kCommitteeMax)) return parties;
    for (const std::uint32_t party : field) {
      Require(parties.empty() || Index(parties.back()) < party, "parties are not ascending");
      parties.push_back(Party(party));
    }
    return parties;
  }
  template <class Field>
  bool Limit(const Field& field, std::size_t limit) {
    Require(static_cast<std::size_t>(field.size()) <= limit, "a list or text is beyond its limit");
    return static_cast<std::size_t>(field.size()) <= limit;
  }
  const char* fault() const { return fault_; }

 private:
  const char* fault_ = nullptr;
};

inline std::string Message(const char* what, const char* fault) {
  return std::string("this is no ") + what + ": " + fault;
}

}  // namespace proto
