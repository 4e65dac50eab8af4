// Transactions and model manifests: what clients and validators hand to the ledger.
//
// A signed transaction is a body and its sender's BIP-340 signature over the tagged hash of the
// body's bytes; that hash is also the transaction's id. Decoders return values whose lengths,
// counts and ranges are within the limits below and refuse any encoding but the canonical one. What
// needs the ledger's state to be judged (nonce, funds, owner, lengths of a bucket) is left to
// node/ledger.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/attempt.h"
#include "proto/base/bytes.h"
#include "proto/base/result.h"
#include "proto/committee.h"
#include "proto/crypto/signature.h"
#include "proto/spec.h"

namespace proto {

inline constexpr std::size_t kTransactionBytesMax = std::size_t{1} << 18;
inline constexpr std::size_t kManifestBytesMax = std::size_t{1} << 16;
inline constexpr std::size_t kEvidenceBytesMax = std::size_t{3} << 16;
inline constexpr std::size_t kDealingBytesMax = std::size_t{3} << 16;
inline constexpr std::size_t kNameBytesMax = 64;
inline constexpr std::size_t kPackageFilesMax = 64;
inline constexpr std::uint64_t kPackageBytesMax = std::uint64_t{1} << 40;
inline constexpr std::size_t kBucketsMax = 16;
inline constexpr std::uint32_t kTokensMax = 4096;
inline constexpr std::uint32_t kVocabularyPaddedMax = std::uint32_t{1} << 24;
inline constexpr std::uint32_t kOutputsMax = 4096;
inline constexpr std::uint32_t kOutputFracMax = 110;
inline constexpr std::uint32_t kLayersMax = 1024;  // Of an attempt.
inline constexpr std::size_t kSegmentsMax = 256;   // Of a bundle.
inline constexpr std::uint16_t kCommitteeMax = 128;
// The first byte of an opaque transaction: no signed transaction begins with it.
inline constexpr std::uint8_t kOpaqueMark = 0;
// All money there is fits, so that no sum of amounts overflows.
inline constexpr std::uint64_t kAmountMax = std::uint64_t{1} << 62;

// A field element as posted: 16 bytes little-endian; that it is canonical is for the ledger to see.
using ShareBytes = std::array<std::uint8_t, 16>;

// --- A client's payloads: nonce in sequence, fee charged. ---

struct Transfer {
  PublicKey to;
  std::uint64_t amount = 0;
  bool operator==(const Transfer&) const = default;
};

struct RegisterModel {
  Bytes manifest;  // See Manifest.
  bool operator==(const RegisterModel&) const = default;
};

struct OpenRequest {
  Digest model;
  std::uint32_t bucket = 0;  // Index into the manifest's buckets.
  bool operator==(const OpenRequest&) const = default;
};

struct SubmitInference {
  std::uint64_t request = 0;
  std::vector<std::uint32_t> masked_tokens;  // id + r mod V', one for each token of the bucket.
  // The answer may end early, and how long it is may be known: the steps after an end token are not
  // computed, nor paid for.
  bool until_end = false;
  bool operator==(const SubmitInference&) const = default;
};

// Bonds `stake` of the sender, whose key the card names (its coin key is not sent): a member from
// the next epoch on that takes it in. Sent again by a validator, it adds to the stake.
struct JoinValidators {
  ValidatorSpec card;
  std::uint64_t stake = 0;
  bool operator==(const JoinValidators&) const = default;
};

// No member of the next epoch that is decided; its stake is paid out unbonding_rounds after its
// last.
struct LeaveValidators {
  bool operator==(const LeaveValidators&) const = default;
};

// Other addresses, certificate or key for the sender, from the next epoch on.
struct RotateValidator {
  ValidatorSpec card;
  Signature consent;  // Of the card's key over RotationDigest: it may be another one.
  bool operator==(const RotateValidator&) const = default;
};

// --- A validator's payloads: no nonce, no fee, a repetition changes nothing. ---

struct ModelReady {
  Digest model;
  bool operator==(const ModelReady&) const = default;
};

struct FixLayer {
  LayerCertificate certificate;
};

struct Verdict {
  std::uint64_t attempt = 0;
  Digest transcript;
  bool pass = false;
  bool operator==(const Verdict&) const = default;
};

struct Attest {
  std::uint64_t request = 0;
  Digest transcript;
  std::vector<PartyId> accused;  // Ascending, distinct.
  std::uint32_t steps = 1;       // That were computed; all of the bucket's unless `until_end`.
  bool operator==(const Attest&) const = default;
};

struct PostOutput {
  std::uint64_t request = 0;
  std::vector<ShareBytes> shares;  // One for each output of the steps that were computed.
  std::vector<PartyId> accused;    // Ascending, distinct.
  bool operator==(const PostOutput&) const = default;
};

struct ReportEvidence {
  Bytes evidence;  // In consensus' own format; node/ledger is given its verifier.
  bool operator==(const ReportEvidence&) const = default;
};

// What the sender found about a dead attempt.
struct PostFinding {
  Finding finding;
  bool operator==(const PostFinding&) const = default;
};

// --- A client's, on chains that admit opaque transactions alone (chain-spec/README.md). ---

// Bytes that mean nothing: ordered, stored and charged for, to measure what that costs.
struct Opaque {
  Bytes data;
  bool operator==(const Opaque&) const = default;
};

// A dealing of the coin's key of the epoch to come, by one of its members (proto/crypto/dealing.h).
struct DealCoinKey {
  std::uint64_t epoch = 0;
  Bytes dealing;
  bool operator==(const DealCoinKey&) const = default;
};

// That a computing member of the epoch holds an author's contribution to its keys whole
// (node/ledger/key_ceremony.h). Parties are the members' numbers.
struct AcknowledgeKeys {
  std::uint64_t epoch = 0;
  PartyId author{};
  Digest root;
  bool operator==(const AcknowledgeKeys&) const = default;
};

using Payload =
    std::variant<Transfer, RegisterModel, OpenRequest, SubmitInference, ModelReady, FixLayer,
                 Verdict, Attest, PostOutput, ReportEvidence, PostFinding, JoinValidators,
                 LeaveValidators, RotateValidator, DealCoinKey, AcknowledgeKeys, Opaque>;

// Whether only validators may send it.
bool IsValidatorPayload(const Payload& payload);

// What a validator's new key signs to take the place of `old_key`.
Digest RotationDigest(const Digest& chain, const PublicKey& old_key, const PublicKey& new_key);
// The context of a dealing: whose it is, and for which epoch.
Digest CoinDealingContext(const Digest& chain, std::uint64_t epoch, const PublicKey& dealer);

// --- Transactions. ---

struct Transaction {
  Digest chain;
  PublicKey sender;
  std::uint64_t nonce = 0;  // 0 with a validator's payload.
  Payload payload;
};

// Bytes to submit. The payload is within the limits (CHECKed).
Bytes SignTransaction(const SecretKey& sender, Transaction transaction);
// The id that the bytes of a body have, and what their signature signs.
Digest TransactionId(ByteSpan body);

// A transaction that was decoded, of the right chain and signed by its sender; or the reason why it
// is none of these. Made only by Check, which needs no state: it may run on any thread, and is all
// of a transfer's cost that matters (one signature verification).
class CheckedTransaction {
 public:
  enum class Flaw : std::uint8_t { kMalformed, kWrongChain, kBadSignature };
  struct Refusal {
    Flaw flaw;
    std::string message;
  };

  // `opaque_admitted`: the chain takes bytes that nobody signed, marked by kOpaqueMark in front,
  // and the payload Opaque. Everywhere else both are malformed.
  static CheckedTransaction Check(const Digest& chain, std::size_t bytes_max, Bytes bytes,
                                  bool opaque_admitted = false);

  const Bytes& bytes() const { return bytes_; }
  Bytes TakeBytes() && { return std::move(bytes_); }
  // Of bytes that are no transaction: their hash under another tag.
  const Digest& id() const { return id_; }
  bool valid() const { return transaction_.has_value(); }
  const Transaction& transaction() const { return *transaction_; }  // Only when valid.
  bool opaque() const { return opaque_; }  // Bytes nobody signed; then it is not valid().
  const Refusal& refusal() const { return refusal_; }  // Only when not.

 private:
  CheckedTransaction() = default;
  Bytes bytes_;
  Digest id_;
  std::optional<Transaction> transaction_;
  bool opaque_ = false;
  Refusal refusal_{};
};

// --- Models. ---

struct PackageFile {
  std::string name;  // [a-z0-9._-], not beginning with a dot; unique in the package.
  Digest digest;     // Sha256 of the file.
  std::uint64_t size = 0;
  bool operator==(const PackageFile&) const = default;
};

// One length that the model was compiled for.
struct Bucket {
  std::uint32_t tokens = 0;
  std::uint32_t vocabulary_padded = 0;  // V', a power of two.
  Digest plan_digest;
  std::uint32_t outputs = 0;
  std::uint32_t output_frac = 0;    // Fraction bits of the outputs.
  std::vector<std::string> labels;  // None, or one for each output.
  std::uint64_t price = 0;          // Escrowed when a request is opened.
  std::uint64_t bundle_price = 0;   // The part of it that is kept when the request expires.
  std::uint32_t pool_target = 0;    // Bundles to keep in stock.
  // Layer certificates that each attempt of a bundle needs: an attempt a segment, into which the
  // plan is cut so that each opens at most about so many values (mpc::CutPlan).
  std::vector<std::uint32_t> layers;
  std::uint64_t segment_values = 0;
  std::uint32_t steps = 1;  // In which the outputs are computed, as many in each: a text's tokens.
  bool operator==(const Bucket&) const = default;
};

struct Manifest {
  std::string name;  // [A-Za-z0-9._-], as is the architecture.
  std::string architecture;
  PublicKey owner;  // Who registers it.
  Digest tokenizer_digest;
  std::vector<PackageFile> files;
  std::vector<Bucket> buckets;  // Ascending by tokens.
  bool operator==(const Manifest&) const = default;
};

// kInvalidArgument, naming the limit, when a manifest is beyond one.
Result<> CheckManifest(const Manifest& manifest);
Bytes EncodeManifest(const Manifest& manifest);  // Within the limits (CHECKed).
Result<Manifest> DecodeManifest(ByteSpan bytes);
// The model's id.
Digest ModelId(ByteSpan manifest);

// What stands for a submission: (bundle -> this digest) is durable before an online share leaves.
Digest SubmissionDigest(const Digest& chain, std::uint64_t request, std::uint64_t attempt,
                        const std::vector<std::uint32_t>& masked_tokens, bool until_end = false);

}  // namespace proto
