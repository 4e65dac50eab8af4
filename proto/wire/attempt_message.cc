#include "proto/wire/attempt_message.h"

#include <algorithm>
#include <string>
#include <utility>

#include "proto/attempt.pb.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"

namespace proto {

namespace pb = waxseal::attempt;

namespace {

constexpr std::size_t kCoinShareBytes = sizeof(CoinShare::point) + sizeof(CoinShare::proof);
constexpr std::size_t kMessageBytesMax = kLayerBytesMax + 256 * kAttemptPartiesMax;

std::string Text(ByteSpan bytes) {
  return std::string(AsText(bytes));
}

// Readers of the fields. Each answers false on what breaks a limit.

bool Read(const std::string& bytes, Digest& out) {
  const auto digest = Digest::From(AsBytes(bytes));
  if (digest) out = *digest;
  return digest.has_value();
}

bool Read(const std::string& bytes, Signature& out) {
  const auto signature = Signature::From(AsBytes(bytes));
  if (signature) out = *signature;
  return signature.has_value();
}

bool Read(const std::string& bytes, CoinShare& out) {
  if (bytes.size() != kCoinShareBytes) return false;
  const auto middle = bytes.begin() + sizeof(out.point);
  std::copy(bytes.begin(), middle, out.point.begin());
  std::copy(middle, bytes.end(), out.proof.begin());
  return true;
}

bool ReadElements(const std::string& bytes, std::size_t size_max, Bytes& out) {
  if (bytes.empty() || bytes.size() > size_max || bytes.size() % kElementBytes != 0) return false;
  const ByteSpan elements = AsBytes(bytes);
  out.assign(elements.begin(), elements.end());
  return true;
}

bool ReadLayer(std::uint32_t number, std::uint32_t& out) {
  out = number;
  return number < kAttemptLayersMax;
}

bool ReadParty(std::uint32_t number, PartyId& out) {
  if (number >= kAttemptPartiesMax) return false;
  out = static_cast<PartyId>(number);
  return true;
}

bool Read(const pb::LayerVector& message, LayerVector& out) {
  out.attempt = message.attempt();
  return ReadLayer(message.layer(), out.layer) &&
         ReadElements(message.values(), kLayerBytesMax, out.values) &&
         Read(message.signature(), out.signature);
}

bool Read(const pb::SignedRoot& message, SignedRoot& out) {
  return ReadParty(message.party(), out.party) && Read(message.root(), out.root) &&
         Read(message.signature(), out.signature);
}

bool ReadSenders(const google::protobuf::RepeatedPtrField<pb::SignedRoot>& list,
                 std::vector<SignedRoot>& out) {
  if (static_cast<std::size_t>(list.size()) > kAttemptPartiesMax) return false;
  for (const auto& sender : list) {
    if (!Read(sender, out.emplace_back())) return false;
  }
  const auto disordered = [](const SignedRoot& a, const SignedRoot& b) {
    return a.party >= b.party;
  };
  return std::ranges::adjacent_find(out, disordered) == out.end();
}

bool Read(const pb::KingLayer& message, KingLayer& out) {
  out.attempt = message.attempt();
  if (!ReadLayer(message.layer(), out.layer)) return false;
  if (!ReadElements(message.values(), kLayerBytesMax, out.values)) return false;
  return ReadSenders(message.senders(), out.senders);
}

bool Read(const pb::KeyReveal& message, KeyReveal& out) {
  out.attempt = message.attempt();
  const std::size_t size = message.keys().size();
  if (size == 0 || size % kSetKeyBytes != 0 || size > kSetKeysMax * kSetKeyBytes) return false;
  out.keys.assign(message.keys().begin(), message.keys().end());
  return true;
}

bool Read(const pb::LayerSenders& message, LayerSenders& out) {
  out.attempt = message.attempt();
  return ReadLayer(message.layer(), out.layer) && ReadSenders(message.senders(), out.senders);
}

bool Read(const pb::Echo& message, Echo& out) {
  out.attempt = message.attempt();
  return ReadLayer(message.layer(), out.layer) && ReadParty(message.king(), out.king) &&
         Read(message.root(), out.root) && Read(message.senders(), out.senders) &&
         Read(message.signature(), out.signature);
}

bool Read(const pb::FetchLayer& message, FetchLayer& out) {
  out.attempt = message.attempt();
  return ReadLayer(message.layer(), out.layer);
}

bool Read(const pb::LayerValues& message, LayerValues& out) {
  out.attempt = message.attempt();
  return ReadLayer(message.layer(), out.layer) &&
         ReadElements(message.values(), kLayerBytesMax, out.values);
}

bool Read(const pb::CoinShareMessage& message, CoinShareMessage& out) {
  out.attempt = message.attempt();
  return ReadLayer(message.step(), out.step) && Read(message.share(), out.share);
}

bool Read(const pb::VerifyOpening& message, VerifyOpening& out) {
  out.attempt = message.attempt();
  return message.values().size() == kOpeningElements * kElementBytes &&
         ReadElements(message.values(), kOpeningElements * kElementBytes, out.values) &&
         Read(message.signature(), out.signature);
}

void Write(const LayerVector& vector, pb::AttemptMessage& out) {
  auto& message = *out.mutable_vector();
  message.set_attempt(vector.attempt);
  message.set_layer(vector.layer);
  message.set_values(vector.values.data(), vector.values.size());
  message.set_signature(Text(vector.signature.span()));
}

template <class Message>
void WriteSenders(const std::vector<SignedRoot>& senders, Message& message) {
  for (const SignedRoot& sender : senders) {
    auto& signed_root = *message.add_senders();
    signed_root.set_party(Index(sender.party));
    signed_root.set_root(Text(sender.root.span()));
    signed_root.set_signature(Text(sender.signature.span()));
  }
}

void Write(const KingLayer& layer, pb::AttemptMessage& out) {
  auto& message = *out.mutable_king_layer();
  message.set_attempt(layer.attempt);
  message.set_layer(layer.layer);
  message.set_values(layer.values.data(), layer.values.size());
  WriteSenders(layer.senders, message);
}

void Write(const KeyReveal& reveal, pb::AttemptMessage& out) {
  auto& message = *out.mutable_key_reveal();
  message.set_attempt(reveal.attempt);
  message.set_keys(reveal.keys.data(), reveal.keys.size());
}

void Write(const LayerSenders& senders, pb::AttemptMessage& out) {
  auto& message = *out.mutable_layer_senders();
  message.set_attempt(senders.attempt);
  message.set_layer(senders.layer);
  WriteSenders(senders.senders, message);
}

void Write(const Echo& echo, pb::AttemptMessage& out) {
  auto& message = *out.mutable_echo();
  message.set_attempt(echo.attempt);
  message.set_layer(echo.layer);
  message.set_king(Index(echo.king));
  message.set_root(Text(echo.root.span()));
  message.set_senders(Text(echo.senders.span()));
  message.set_signature(Text(echo.signature.span()));
}

void Write(const FetchLayer& fetch, pb::AttemptMessage& out) {
  auto& message = *out.mutable_fetch();
  message.set_attempt(fetch.attempt);
  message.set_layer(fetch.layer);
}

void Write(const LayerValues& values, pb::AttemptMessage& out) {
  auto& message = *out.mutable_values();
  message.set_attempt(values.attempt);
  message.set_layer(values.layer);
  message.set_values(values.values.data(), values.values.size());
}

void Write(const CoinShareMessage& share, pb::AttemptMessage& out) {
  auto& message = *out.mutable_coin_share();
  message.set_attempt(share.attempt);
  message.set_step(share.step);
  message.set_share(Text(share.share.point) + Text(share.share.proof));
}

void Write(const VerifyOpening& opening, pb::AttemptMessage& out) {
  auto& message = *out.mutable_opening();
  message.set_attempt(opening.attempt);
  message.set_values(opening.values.data(), opening.values.size());
  message.set_signature(Text(opening.signature.span()));
}

template <class T, class P>
Result<AttemptMessage> Checked(const P& message, const char* what) {
  T out;
  if (!Read(message, out)) {
    return Fail(ErrorCode::kInvalidArgument, std::string("a malformed ") + what);
  }
  return AttemptMessage(std::move(out));
}

}  // namespace

Bytes Encode(const AttemptMessage& message) {
  pb::AttemptMessage out;
  std::visit([&](const auto& m) { Write(m, out); }, message);
  Bytes bytes(out.ByteSizeLong());
  CHECK(out.SerializeToArray(bytes.data(), static_cast<int>(bytes.size())));
  return bytes;
}

Result<AttemptMessage> DecodeAttemptMessage(ByteSpan bytes) {
  if (bytes.size() > kMessageBytesMax) {
    return Fail(ErrorCode::kExhausted, "a preprocessing message beyond its limit of 768 MiB");
  }
  pb::AttemptMessage message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Fail(ErrorCode::kInvalidArgument, "not a preprocessing message");
  }
  switch (message.body_case()) {
    case pb::AttemptMessage::kVector:
      return Checked<LayerVector>(message.vector(), "layer vector");
    case pb::AttemptMessage::kKingLayer:
      return Checked<KingLayer>(message.king_layer(), "king's layer");
    case pb::AttemptMessage::kEcho:
      return Checked<Echo>(message.echo(), "echo");
    case pb::AttemptMessage::kFetch:
      return Checked<FetchLayer>(message.fetch(), "request for a layer");
    case pb::AttemptMessage::kValues:
      return Checked<LayerValues>(message.values(), "layer");
    case pb::AttemptMessage::kCoinShare:
      return Checked<CoinShareMessage>(message.coin_share(), "coin share");
    case pb::AttemptMessage::kOpening:
      return Checked<VerifyOpening>(message.opening(), "verification opening");
    case pb::AttemptMessage::kKeyReveal:
      return Checked<KeyReveal>(message.key_reveal(), "revelation of keys");
    case pb::AttemptMessage::kLayerSenders:
      return Checked<LayerSenders>(message.layer_senders(), "list of senders");
    case pb::AttemptMessage::BODY_NOT_SET:
      break;
  }
  return Fail(ErrorCode::kInvalidArgument, "a preprocessing message without a body");
}

}  // namespace proto
