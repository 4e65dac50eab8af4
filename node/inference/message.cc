#include "node/inference/message.h"

#include <utility>

#include "proto/base/overloaded.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

enum Kind : std::uint8_t { kAttempt = 1, kSession = 2, kFetchFile = 3, kFileBytes = 4, kKeys = 5 };

proto::Bytes Tagged(Kind kind, proto::ByteSpan payload) {
  proto::Bytes out;
  out.reserve(1 + payload.size());
  out.push_back(kind);
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

template <class T>
Result<InferenceMessage> Widen(Result<T> decoded) {
  if (!decoded) return tl::unexpected(decoded.error());
  return InferenceMessage(std::move(*decoded));
}

}  // namespace

proto::Bytes Encode(const InferenceMessage& message) {
  return std::visit(
      proto::Overloaded{
          [](const proto::AttemptMessage& m) { return Tagged(kAttempt, proto::Encode(m)); },
          [](const proto::SessionMessage& m) { return Tagged(kSession, proto::Encode(m)); },
          [](const key_ceremony::Message& m) { return Tagged(kKeys, key_ceremony::Encode(m)); },
          [](const FetchFile& m) { return Tagged(kFetchFile, m.digest.span()); },
          [](const FileBytes& m) {
            proto::Bytes out = Tagged(kFileBytes, m.digest.span());
            out.insert(out.end(), m.bytes.begin(), m.bytes.end());
            return out;
          },
      },
      message);
}

Result<InferenceMessage> DecodeInferenceMessage(proto::ByteSpan bytes) {
  if (bytes.empty()) return Fail(ErrorCode::kInvalidArgument, "an empty message");
  const proto::ByteSpan payload = bytes.subspan(1);
  switch (bytes.front()) {
    case kAttempt:
      return Widen(proto::DecodeAttemptMessage(payload));
    case kSession:
      return Widen(proto::DecodeSessionMessage(payload));
    case kKeys:
      return Widen(key_ceremony::Decode(payload));
    case kFetchFile: {
      auto digest = proto::Digest::From(payload);
      if (!digest) return tl::unexpected(digest.error());
      return InferenceMessage(FetchFile{*digest});
    }
    case kFileBytes: {
      if (payload.size() < 32) return Fail(ErrorCode::kInvalidArgument, "a file without its hash");
      return InferenceMessage(FileBytes{*proto::Digest::From(payload.first(32)),
                                        proto::Bytes(payload.begin() + 32, payload.end())});
    }
    default:
      return Fail(ErrorCode::kInvalidArgument, "an unknown kind of message");
  }
}

}  // namespace node
