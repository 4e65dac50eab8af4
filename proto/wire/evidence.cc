#include "proto/wire/evidence.h"

#include <optional>
#include <string>

#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/checkpoint.h"
#include "proto/consensus.pb.h"

namespace proto::dag {

namespace pb = waxseal::consensus;

namespace {

constexpr std::size_t kEvidenceBytesMax = 3 * kHeaderBytesMax;

std::string Text(ByteSpan bytes) {
  return std::string(AsText(bytes));
}

void Write(const BlockVote& vote, pb::BlockVote& out) {
  out.set_index(vote.index);
  out.set_block(Text(vote.block.span()));
  out.set_signature(Text(vote.signature.span()));
}

std::optional<BlockVote> Read(const pb::BlockVote& message) {
  const auto block = Digest::From(AsBytes(message.block()));
  const auto signature = Signature::From(AsBytes(message.signature()));
  if (!block || !signature) return std::nullopt;
  return BlockVote{message.index(), *block, *signature};
}

std::optional<PartyId> Offender(const HeaderPair& pair, const Digest& chain, std::uint64_t epoch,
                                const std::vector<PublicKey>& keys) {
  const auto& [a, b] = pair;
  const auto says = [&](const Header& header) {
    return header.chain == chain && header.epoch == epoch &&
           Verify(keys[Index(header.author)], header.digest, header.signature);
  };
  if (a.author != b.author || a.round != b.round || a.digest == b.digest) return std::nullopt;
  if (Index(a.author) >= keys.size() || !says(a) || !says(b)) return std::nullopt;
  return a.author;
}

std::optional<PartyId> Offender(const VotePair& pair, const Digest& chain, std::uint64_t epoch,
                                const std::vector<PublicKey>& keys) {
  const auto& [a, b] = pair;
  const auto says = [&](const Vote& vote) {
    return vote.epoch == epoch &&
           Verify(keys[Index(vote.voter)], VoteDigest(chain, vote), vote.signature);
  };
  if (a.voter != b.voter || a.author != b.author || a.round != b.round || a.header == b.header) {
    return std::nullopt;
  }
  if (Index(a.voter) >= keys.size() || !says(a) || !says(b)) return std::nullopt;
  return a.voter;
}

std::optional<PartyId> Offender(const BlockVotePair& pair, const Digest& chain, std::uint64_t epoch,
                                const std::vector<PublicKey>& keys) {
  const BlockVote& a = pair.first;
  const BlockVote& b = pair.second;
  const auto says = [&](const BlockVote& vote) {
    return Verify(keys[Index(pair.voter)], CheckpointDigest(chain, epoch, vote.index, vote.block),
                  vote.signature);
  };
  if (pair.epoch != epoch || a.index != b.index || a.block == b.block) return std::nullopt;
  if (Index(pair.voter) >= keys.size() || !says(a) || !says(b)) return std::nullopt;
  return pair.voter;
}

std::optional<PartyId> Offender(const VectorPair& pair, const Digest& chain, std::uint64_t epoch,
                                const std::vector<PublicKey>& keys) {
  const SignedRoot& a = pair.first;
  const SignedRoot& b = pair.second;
  Place place = pair.place;
  place.chain = chain;
  place.epoch = epoch;
  const auto says = [&](const SignedRoot& signed_root) {
    return Verify(keys[Index(signed_root.party)], VectorDigest(place, signed_root.root),
                  signed_root.signature);
  };
  if (a.party != b.party || a.root == b.root || Index(a.party) >= keys.size()) return std::nullopt;
  if (!says(a) || !says(b)) return std::nullopt;
  return a.party;
}

std::optional<VectorPair> Read(const pb::VectorPair& message) {
  const auto transcript = Digest::From(AsBytes(message.transcript()));
  const auto first = Digest::From(AsBytes(message.first_root()));
  const auto second = Digest::From(AsBytes(message.second_root()));
  const auto first_signature = Signature::From(AsBytes(message.first_signature()));
  const auto second_signature = Signature::From(AsBytes(message.second_signature()));
  if (!transcript || !first || !second || !first_signature || !second_signature) {
    return std::nullopt;
  }
  if (message.party() >= kPartiesMax) return std::nullopt;
  const auto party = static_cast<PartyId>(message.party());
  return VectorPair{{{}, 0, message.attempt(), message.layer(), *transcript},
                    {party, *first, *first_signature},
                    {party, *second, *second_signature}};
}

std::optional<Evidence> Decode(const pb::Evidence& message) {
  switch (message.kind_case()) {
    case pb::Evidence::kHeaders: {
      auto first = DecodeHeader(AsBytes(message.headers().first()));
      auto second = DecodeHeader(AsBytes(message.headers().second()));
      if (!first || !second) return std::nullopt;
      return HeaderPair{std::move(*first), std::move(*second)};
    }
    case pb::Evidence::kVotes: {
      auto first = DecodeVote(AsBytes(message.votes().first()));
      auto second = DecodeVote(AsBytes(message.votes().second()));
      if (!first || !second) return std::nullopt;
      return VotePair{*first, *second};
    }
    case pb::Evidence::kBlockVotes: {
      const auto first = Read(message.block_votes().first());
      const auto second = Read(message.block_votes().second());
      if (!first || !second || message.block_votes().voter() >= kPartiesMax) return std::nullopt;
      return BlockVotePair{message.block_votes().epoch(),
                           static_cast<PartyId>(message.block_votes().voter()), *first, *second};
    }
    case pb::Evidence::kVectors: {
      const auto pair = Read(message.vectors());
      if (!pair) return std::nullopt;
      return *pair;
    }
    case pb::Evidence::KIND_NOT_SET:
      break;
  }
  return std::nullopt;
}

}  // namespace

Bytes EncodeEvidence(const Evidence& evidence) {
  pb::Evidence message;
  std::visit(Overloaded{
                 [&](const HeaderPair& pair) {
                   message.mutable_headers()->set_first(Text(EncodeHeader(pair.first)));
                   message.mutable_headers()->set_second(Text(EncodeHeader(pair.second)));
                 },
                 [&](const VotePair& pair) {
                   message.mutable_votes()->set_first(Text(EncodeVote(pair.first)));
                   message.mutable_votes()->set_second(Text(EncodeVote(pair.second)));
                 },
                 [&](const BlockVotePair& pair) {
                   pb::BlockVotePair& out = *message.mutable_block_votes();
                   out.set_epoch(pair.epoch);
                   out.set_voter(Index(pair.voter));
                   Write(pair.first, *out.mutable_first());
                   Write(pair.second, *out.mutable_second());
                 },
                 [&](const VectorPair& pair) {
                   pb::VectorPair& out = *message.mutable_vectors();
                   out.set_attempt(pair.place.attempt);
                   out.set_layer(pair.place.layer);
                   out.set_transcript(Text(pair.place.transcript.span()));
                   out.set_party(Index(pair.first.party));
                   out.set_first_root(Text(pair.first.root.span()));
                   out.set_first_signature(Text(pair.first.signature.span()));
                   out.set_second_root(Text(pair.second.root.span()));
                   out.set_second_signature(Text(pair.second.signature.span()));
                 },
             },
             evidence);
  const std::string text = message.SerializeAsString();
  const ByteSpan span = AsBytes(text);
  return Bytes(span.begin(), span.end());
}

namespace {

Result<Evidence> Read(ByteSpan evidence) {
  pb::Evidence message;
  if (evidence.size() > kEvidenceBytesMax ||
      !message.ParseFromArray(evidence.data(), static_cast<int>(evidence.size()))) {
    return Fail(ErrorCode::kInvalidArgument, "the evidence is malformed or too large");
  }
  auto decoded = Decode(message);
  if (!decoded) return Fail(ErrorCode::kInvalidArgument, "the evidence is malformed");
  return std::move(*decoded);
}

}  // namespace

Result<EvidenceScope> ScopeOf(ByteSpan evidence) {
  const auto decoded = Read(evidence);
  if (!decoded) return tl::unexpected(decoded.error());
  return std::visit(
      [](const auto& pair) -> EvidenceScope {
        if constexpr (requires { pair.place; }) {
          return {std::nullopt, pair.place.attempt};
        } else if constexpr (requires { pair.epoch; }) {
          return {pair.epoch, std::nullopt};
        } else {
          return {pair.first.epoch, std::nullopt};
        }
      },
      *decoded);
}

Result<PartyId> VerifyEvidence(ByteSpan evidence, const Digest& chain, std::uint64_t epoch,
                               const std::vector<PublicKey>& keys) {
  const auto decoded = Read(evidence);
  if (!decoded) return tl::unexpected(decoded.error());
  const auto offender =
      std::visit([&](const auto& pair) { return Offender(pair, chain, epoch, keys); }, *decoded);
  if (!offender) return Fail(ErrorCode::kDenied, "the evidence proves no conflict");
  return *offender;
}

}  // namespace proto::dag
