#include "node/inference/answer_step.h"

#include "proto/crypto/hash.h"

namespace node {

proto::Digest AnswerStepDigest(const proto::Digest& chain, std::uint64_t request,
                               std::uint32_t step, proto::ByteSpan shares) {
  return proto::Hasher("waxseal/answer-step")
      .Add(chain.span())
      .Add(request)
      .Add(std::uint64_t{step})
      .AddSized(shares)
      .Finish();
}

}  // namespace node
