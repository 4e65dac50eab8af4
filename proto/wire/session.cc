#include "proto/wire/session.h"

#include <string>
#include <utility>

#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/session.pb.h"

namespace proto {

namespace pb = waxseal::session;

namespace {

constexpr std::size_t kMessageBytesMax = kOpeningBytesMax + 256;
constexpr std::size_t kElementSize = 16;

tl::unexpected<Error> Malformed(const char* what) {
  return Fail(ErrorCode::kInvalidArgument, what);
}

Result<SessionMessage> Read(const pb::Opening& message) {
  const auto signature = Signature::From(AsBytes(message.signature()));
  const std::string& values = message.values();
  if (!signature || message.round() >= kOpeningRoundsMax || message.latest() >= kOpeningRoundsMax ||
      values.empty() || values.size() > kOpeningBytesMax || values.size() % kElementSize != 0) {
    return Malformed("an opening is malformed or beyond a limit");
  }
  return Opening{message.request(), message.round(), message.latest(),
                 Bytes(AsBytes(values).begin(), AsBytes(values).end()), *signature};
}

Result<SessionMessage> Read(const pb::ResendOpenings& message) {
  if (message.from_round() >= kOpeningRoundsMax) return Malformed("no plan has that many rounds");
  return ResendOpenings{message.request(), message.from_round()};
}

Result<SessionMessage> Read(const pb::Progress& message) {
  if (message.opened() > kOpeningRoundsMax) return Malformed("no plan has that many rounds");
  return Progress{message.request(), message.opened()};
}

}  // namespace

Bytes Encode(const SessionMessage& message) {
  pb::SessionMessage out;
  std::visit(
      Overloaded{
          [&out](const Opening& opening) {
            pb::Opening& body = *out.mutable_opening();
            body.set_request(opening.request);
            body.set_round(opening.round);
            body.set_latest(opening.latest);
            body.set_values(opening.values.data(), opening.values.size());
            body.set_signature(opening.signature.bytes.data(), opening.signature.bytes.size());
          },
          [&out](const ResendOpenings& resend) {
            pb::ResendOpenings& body = *out.mutable_resend_openings();
            body.set_request(resend.request);
            body.set_from_round(resend.from_round);
          },
          [&out](const AskProgress& ask) { out.mutable_ask_progress()->set_request(ask.request); },
          [&out](const Progress& progress) {
            out.mutable_progress()->set_request(progress.request);
            out.mutable_progress()->set_opened(progress.opened);
          },
      },
      message);
  Bytes bytes(out.ByteSizeLong());
  CHECK(out.SerializeToArray(bytes.data(), static_cast<int>(bytes.size())));
  return bytes;
}

Result<SessionMessage> DecodeSessionMessage(ByteSpan bytes) {
  pb::SessionMessage message;
  if (bytes.size() > kMessageBytesMax ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Malformed("a session message is too long or no protobuf");
  }
  switch (message.message_case()) {
    case pb::SessionMessage::kOpening:
      return Read(message.opening());
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
