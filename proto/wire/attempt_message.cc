#include "proto/wire/attempt_message.h"

#include <algorithm>
#include <string>
#include <utility>

#include "proto/attempt.pb.h"
#include "proto/base/check.h"
#include "proto/wire/checker.h"
#include "proto/wire/long_field.h"

namespace proto {

namespace pb = waxseal::attempt;

namespace {

constexpr std::size_t kCoinShareBytes = sizeof(CoinShare::point) + sizeof(CoinShare::proof);
constexpr std::size_t kMessageBytesMax = kLayerBytesMax + 256 * kAttemptPartiesMax;

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

bool ReadElements(ByteSpan elements, std::size_t size_max, Bytes& out) {
  if (elements.empty() || elements.size() > size_max || elements.size() % kElementBytes != 0) {
    return false;
  }
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

bool Read(const pb::LayerVector& message, ByteSpan values, LayerVector& out) {
  out.attempt = message.attempt();
  return ReadLayer(message.layer(), out.layer) &&
         ReadElements(values, kLayerBytesMax, out.values) &&
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

bool Read(const pb::KingLayer& message, ByteSpan values, KingLayer& out) {
  out.attempt = message.attempt();
  if (!ReadLayer(message.layer(), out.layer)) return false;
  if (!ReadElements(values, kLayerBytesMax, out.values)) return false;
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

bool Read(const pb::LayerValues& message, ByteSpan values, LayerValues& out) {
  out.attempt = message.attempt();
  return ReadLayer(message.layer(), out.layer) && ReadElements(values, kLayerBytesMax, out.values);
}

bool Read(const pb::CoinShareMessage& message, CoinShareMessage& out) {
  out.attempt = message.attempt();
  return ReadLayer(message.step(), out.step) && Read(message.share(), out.share);
}

bool Read(const pb::VerifyOpening& message, VerifyOpening& out) {
  out.attempt = message.attempt();
  return message.values().size() == kOpeningElements * kElementBytes &&
         ReadElements(AsBytes(message.values()), kOpeningElements * kElementBytes, out.values) &&
         Read(message.signature(), out.signature);
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

// Messages of long vectors: their other fields are written, the values go as they are.

constexpr LongField kVectorValues{pb::AttemptMessage::kVectorFieldNumber,
                                  pb::LayerVector::kValuesFieldNumber};
constexpr LongField kKingLayerValues{pb::AttemptMessage::kKingLayerFieldNumber,
                                     pb::KingLayer::kValuesFieldNumber};
constexpr LongField kLayerValues{pb::AttemptMessage::kValuesFieldNumber,
                                 pb::LayerValues::kValuesFieldNumber};

Bytes Encoded(const LayerVector& vector) {
  pb::LayerVector message;
  message.set_attempt(vector.attempt);
  message.set_layer(vector.layer);
  message.set_signature(Text(vector.signature.span()));
  return JoinLongField(kVectorValues, message.SerializeAsString(), vector.values);
}

Bytes Encoded(const KingLayer& layer) {
  pb::KingLayer message;
  message.set_attempt(layer.attempt);
  message.set_layer(layer.layer);
  WriteSenders(layer.senders, message);
  return JoinLongField(kKingLayerValues, message.SerializeAsString(), layer.values);
}

Bytes Encoded(const LayerValues& values) {
  pb::LayerValues message;
  message.set_attempt(values.attempt);
  message.set_layer(values.layer);
  return JoinLongField(kLayerValues, message.SerializeAsString(), values.values);
}

template <class T>
Bytes Encoded(const T& message) {
  pb::AttemptMessage out;
  Write(message, out);
  return Serialize(out);
}

template <class T, class... Fields>
Result<AttemptMessage> Checked(const char* what, const Fields&... fields) {
  T out;
  if (!Read(fields..., out)) {
    return Fail(ErrorCode::kInvalidArgument, std::string("a malformed ") + what);
  }
  return AttemptMessage(std::move(out));
}

template <class T, class Message>
Result<AttemptMessage> CheckedParts(const char* what, const CutMessage& cut) {
  Message message;
  if (!message.ParseFromString(cut.rest)) {
    return Fail(ErrorCode::kInvalidArgument, "not a preprocessing message");
  }
  return Checked<T>(what, message, cut.string);
}

constexpr char kVectorName[] = "layer vector";
constexpr char kKingLayerName[] = "king's layer";
constexpr char kValuesName[] = "layer";

}  // namespace

Bytes Encode(const AttemptMessage& message) {
  return std::visit([](const auto& m) { return Encoded(m); }, message);
}

Result<AttemptMessage> DecodeAttemptMessage(ByteSpan bytes) {
  if (bytes.size() > kMessageBytesMax) {
    return Fail(ErrorCode::kExhausted, "a preprocessing message beyond its limit of 768 MiB");
  }
  if (const auto cut = CutLongField(kVectorValues, bytes)) {
    return CheckedParts<LayerVector, pb::LayerVector>(kVectorName, *cut);
  }
  if (const auto cut = CutLongField(kKingLayerValues, bytes)) {
    return CheckedParts<KingLayer, pb::KingLayer>(kKingLayerName, *cut);
  }
  if (const auto cut = CutLongField(kLayerValues, bytes)) {
    return CheckedParts<LayerValues, pb::LayerValues>(kValuesName, *cut);
  }
  pb::AttemptMessage message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Fail(ErrorCode::kInvalidArgument, "not a preprocessing message");
  }
  switch (message.body_case()) {
    case pb::AttemptMessage::kVector:
      return Checked<LayerVector>(kVectorName, message.vector(),
                                  AsBytes(message.vector().values()));
    case pb::AttemptMessage::kKingLayer:
      return Checked<KingLayer>(kKingLayerName, message.king_layer(),
                                AsBytes(message.king_layer().values()));
    case pb::AttemptMessage::kEcho:
      return Checked<Echo>("echo", message.echo());
    case pb::AttemptMessage::kFetch:
      return Checked<FetchLayer>("request for a layer", message.fetch());
    case pb::AttemptMessage::kValues:
      return Checked<LayerValues>(kValuesName, message.values(),
                                  AsBytes(message.values().values()));
    case pb::AttemptMessage::kCoinShare:
      return Checked<CoinShareMessage>("coin share", message.coin_share());
    case pb::AttemptMessage::kOpening:
      return Checked<VerifyOpening>("verification opening", message.opening());
    case pb::AttemptMessage::kKeyReveal:
      return Checked<KeyReveal>("revelation of keys", message.key_reveal());
    case pb::AttemptMessage::kLayerSenders:
      return Checked<LayerSenders>("list of senders", message.layer_senders());
    case pb::AttemptMessage::BODY_NOT_SET:
      break;
  }
  return Fail(ErrorCode::kInvalidArgument, "a preprocessing message without a body");
}

}  // namespace proto
