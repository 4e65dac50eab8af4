// What committee members send each other for MPC, for their keys and for model files: one envelope
// over the bulk channel.
#pragma once

#include <cstddef>
#include <variant>

#include "node/ceremony/key_member.h"
#include "proto/base/bytes.h"
#include "proto/wire/attempt_message.h"
#include "proto/wire/session.h"

namespace node {

// "Who has the model file of this hash?" Answered with FileBytes by those who do.
struct FetchFile {
  proto::Digest digest;
};

struct FileBytes {
  proto::Digest digest;
  proto::Bytes bytes;
};

using InferenceMessage = std::variant<proto::AttemptMessage, proto::SessionMessage, FetchFile,
                                      FileBytes, key_ceremony::Message>;

// What a message costs on the wire, but for a few bytes of framing.
template <class Message>
std::size_t WireBytes(const Message& message) {
  return std::visit(
      [](const auto& m) {
        if constexpr (requires { m.values; }) {
          return sizeof m + m.values.size();
        } else if constexpr (requires { m.keys; }) {
          return sizeof m + m.keys.size();
        } else {
          return sizeof m;
        }
      },
      message);
}

// One byte names the kind, the kind's own encoding follows.
proto::Bytes Encode(const InferenceMessage& message);
proto::Result<InferenceMessage> DecodeInferenceMessage(proto::ByteSpan bytes);

}  // namespace node
