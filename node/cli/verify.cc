#include "node/cli/verify.h"

#include "node/ledger/light_client.h"
#include "node/rpc/block_reader.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

Result<proto::Bytes> Field(const json& answer, const char* name) {
  const auto field = answer.find(name);
  if (field == answer.end() || !field->is_string()) {
    return Fail(ErrorCode::kDenied, std::string("the answer has no ") + name);
  }
  return proto::FromHex(field->get<std::string>());
}

}  // namespace

Result<> FollowLinks(LightClient& client, const json& links) {
  if (!links.is_array()) return Fail(ErrorCode::kDenied, "the links are no list");
  for (const json& entry : links) {
    const auto bytes = entry.is_string() ? proto::FromHex(entry.get<std::string>())
                                         : Fail(ErrorCode::kDenied, "a link is no text");
    if (!bytes) return tl::unexpected(bytes.error());
    const auto link = proto::DecodeLink(*bytes);
    if (!link) return tl::unexpected(link.error());
    if (auto followed = client.Follow(*link); !followed) return followed;
  }
  return {};
}

Result<ProvedValue> VerifyValue(const proto::Genesis& genesis, proto::ByteSpan key,
                                const json& answer) {
  if (!answer.is_object()) return Fail(ErrorCode::kDenied, "the answer is not an object");
  const auto header_bytes = Field(answer, "header");
  const auto signature_bytes = Field(answer, "signatures");
  const auto value = Field(answer, "value");
  const auto proof_bytes = Field(answer, "proof");
  for (const auto* part : {&header_bytes, &signature_bytes, &value, &proof_bytes}) {
    if (!*part) return tl::unexpected(part->error());
  }
  const auto header = proto::DecodeBlockHeader(*header_bytes);
  if (!header) return tl::unexpected(header.error());
  const auto signatures = DecodeSignatures(*signature_bytes);
  if (!signatures) return tl::unexpected(signatures.error());
  LightClient client(genesis);
  if (const auto links = answer.find("links"); links != answer.end()) {
    if (auto followed = FollowLinks(client, *links); !followed) {
      return tl::unexpected(followed.error());
    }
  }
  if (auto signed_by_quorum = client.VerifyHeader(*header, *signatures); !signed_by_quorum) {
    return tl::unexpected(signed_by_quorum.error());
  }
  const auto proof = proto::DecodeStateProof(*proof_bytes);
  if (!proof) return tl::unexpected(proof.error());
  if (auto proved = VerifyState(header->state_root, key, *value, *proof); !proved) {
    return tl::unexpected(proved.error());
  }
  return ProvedValue{*value, *header};
}

}  // namespace node
