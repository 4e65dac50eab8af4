#include "proto/wire/session.h"

#include <limits>
#include <string>
#include <utility>

#include "proto/base/overloaded.h"
#include "proto/session.pb.h"
#include "proto/wire/checker.h"
#include "proto/wire/long_field.h"

namespace proto {

namespace pb = waxseal::session;

namespace {

constexpr std::size_t kMessageBytesMax = kOpeningBytesMax + 256;
constexpr std::size_t kElementSize = 16;
constexpr std::uint32_t kReceiversMax = std::numeric_limits<std::uint16_t>::max();
constexpr LongField kOpeningValues{pb::SessionMessage::kOpeningFieldNumber,
                                   pb::Opening::kValuesFieldNumber};

tl::unexpected<Error> Malformed(const char* what) {
  return Fail(ErrorCode::kInvalidArgument, what);
}

Result<SessionMessage> Read(const pb::Opening& message, ByteSpan values) {
  const auto signature = Signature::From(AsBytes(message.signature()));
  if (!signature || message.exchange() >= kExchangesMax || message.latest() >= kExchangesMax ||
      message.receiver() > kReceiversMax || values.empty() || values.size() > kOpeningBytesMax ||
      values.size() % kElementSize != 0) {
    return Malformed("an opening is malformed or beyond a limit");
  }
  Opening opening{message.request(), message.exchange(), message.latest(),
                  Bytes(values.begin(), values.end()), *signature};
  if (message.receiver() > 0) opening.receiver = static_cast<PartyId>(message.receiver() - 1);
  return opening;
}

Result<SessionMessage> Read(const pb::ResendOpenings& message) {
  if (message.from_exchange() >= kExchangesMax) return Malformed("no plan has that many exchanges");
  return ResendOpenings{message.request(), message.from_exchange()};
}

Result<SessionMessage> Read(const pb::Progress& message) {
  if (message.opened() > kExchangesMax) return Malformed("no plan has that many exchanges");
  return Progress{message.request(), message.opened()};
}

}  // namespace

Bytes Encode(const SessionMessage& message) {
  pb::SessionMessage out;
  return std::visit(
      Overloaded{
          [](const Opening& opening) {
            pb::Opening body;
            body.set_request(opening.request);
            body.set_exchange(opening.exchange);
            body.set_latest(opening.latest);
            body.set_signature(opening.signature.bytes.data(), opening.signature.bytes.size());
            if (opening.receiver) body.set_receiver(Index(*opening.receiver) + 1u);
            return JoinLongField(kOpeningValues, body.SerializeAsString(), opening.values);
          },
          [&](const ResendOpenings& resend) {
            pb::ResendOpenings& body = *out.mutable_resend_openings();
            body.set_request(resend.request);
            body.set_from_exchange(resend.from_exchange);
            return Serialize(out);
          },
          [&](const AskProgress& ask) {
            out.mutable_ask_progress()->set_request(ask.request);
            return Serialize(out);
          },
          [&](const Progress& progress) {
            out.mutable_progress()->set_request(progress.request);
            out.mutable_progress()->set_opened(progress.opened);
            return Serialize(out);
          },
      },
      message);
}

Result<SessionMessage> DecodeSessionMessage(ByteSpan bytes) {
  if (bytes.size() > kMessageBytesMax) return Malformed("a session message is too long");
  if (const auto cut = CutLongField(kOpeningValues, bytes)) {
    pb::Opening opening;
    if (!opening.ParseFromString(cut->rest)) return Malformed("an opening is no protobuf");
    return Read(opening, cut->string);
  }
  pb::SessionMessage message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Malformed("a session message is no protobuf");
  }
  switch (message.message_case()) {
    case pb::SessionMessage::kOpening:
      return Read(message.opening(), AsBytes(message.opening().values()));
    case pb::SessionMessage::kResendOpenings:
      return Read(message.resend_openings());
    case pb::SessionMessage::kAskProgress:
      return AskProgress{message.ask_progress().request()};
    case pb::SessionMessage::kProgress:
      return Read(message.progress());
    case pb::SessionMessage::MESSAGE_NOT_SET:
      break;
  }
  return Malformed("a session message of a kind not known");
}

}  // namespace proto
