// The ledger's state: a map from keys to records, each in canonical bytes (fields.h), so that a
// light client that holds a proof of a value can read it.
//
//   account/<key>           Account         model/<id>              ModelRecord
//   validator/<key>         ValidatorRecord model-number/<number>   the model's id
//   attempt/<number>        AttemptRecord   pool/<model><bucket>    Pool
//   request/<number>        RequestRecord   totals, active, opened  Totals, Active, Opened
//   epoch/<number>          EpochRecord     dealings/<number>       Dealings
//   staking                 Staking         turn                    Turn
//   keys/<number>           EpochKeys
//
// Numbers in keys are big-endian, so that keys sort by them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/result.h"
#include "proto/committee.h"
#include "proto/crypto/signature.h"
#include "proto/wire/epoch.h"
#include "proto/wire/ledger.h"

namespace proto {

inline constexpr std::size_t kStakersMax = 256;     // Validators with stake.
inline constexpr std::size_t kUnbondingMax = 1024;  // Stakes on their way out.
inline constexpr std::size_t kModelsMax = 1024;
inline constexpr std::size_t kModelReadyMax = 256;
inline constexpr std::size_t kWaitingMax = 4096;  // Requests that wait for a bundle, in one pool.
inline constexpr std::size_t kOpenedMax = 65536;  // Requests that are opened and not yet submitted.
inline constexpr std::uint32_t kPoolTargetMax = 1024;
inline constexpr std::uint32_t kAttemptsInProgressMax = 1024;
inline constexpr std::size_t kPoolBundlesMax =
    kPoolTargetMax + kWaitingMax + kAttemptsInProgressMax;

struct Account {
  std::uint64_t balance = 0;
  std::uint64_t nonce = 0;  // That of its next transaction.
  bool operator==(const Account&) const = default;
};

// bonded -> leaving -> left: it leaves with the epoch that is the last with it.
enum class ValidatorStatus : std::uint8_t { kBonded = 1, kLeaving, kLeft };
std::string_view Name(ValidatorStatus status);

struct ValidatorRecord {
  ValidatorSpec card;  // Without coin key: each epoch has others.
  ValidatorStatus status = ValidatorStatus::kBonded;
  std::uint64_t stake = 0;
  // Of the first accepted evidence that this validator equivocated; from then on it earns nothing.
  std::optional<Digest> evidence;
  std::optional<ValidatorSpec> next;   // Takes the card's place with the next epoch.
  std::optional<PublicKey> successor;  // The key that the validator changed this one for.
  bool operator==(const ValidatorRecord&) const = default;
};

// Who has stake here, bonded or on its way out.
struct Staking {
  struct Unbonding {
    PublicKey key;
    std::uint64_t amount = 0;
    std::uint64_t release_round = 0;
    bool operator==(const Unbonding&) const = default;
  };
  std::vector<PublicKey> bonded;     // Ascending; bonded and leaving validators.
  std::vector<Unbonding> unbonding;  // Ascending by round.
  bool operator==(const Staking&) const = default;
};

// The next epoch once it is decided: its validators, and the dealings that will make its keys.
struct Turn {
  std::uint64_t epoch = 0;                // Its number; 0 while none is decided.
  std::vector<ValidatorSpec> validators;  // Ascending by key, without coin keys.
  std::vector<PartyId> computing;         // As in its EpochRecord.
  struct Dealt {
    PartyId dealer{};
    Bytes dealing;  // Empty: it was not valid.
    bool operator==(const Dealt&) const = default;
  };
  std::vector<Dealt> dealings;  // In the order of the ledger, one a dealer.
  bool operator==(const Turn&) const = default;
};

// The valid dealings whose sum is an epoch's coin key.
struct Dealings {
  std::vector<PublicKey> dealers;
  std::vector<Bytes> dealings;
  bool operator==(const Dealings&) const = default;
};

// The keys that an epoch's computing members make (node/ledger/key_ceremony.h): acknowledgements,
// and whether there are enough of them. The first epoch has no such record: its keys are older.
inline constexpr std::size_t kKeyCeremonyBytesMax = 1 + kComputingMax * kComputingMax * 34;
struct EpochKeys {
  bool made = false;
  Bytes ceremony;
  bool operator==(const EpochKeys&) const = default;
};

enum class ModelStatus : std::uint8_t { kRegistered = 1, kActive };
std::string_view Name(ModelStatus status);

struct ModelRecord {
  std::uint64_t number = 0;  // From 1, in the order of registration.
  ModelStatus status = ModelStatus::kRegistered;
  Bytes manifest;
  std::vector<PublicKey> ready;  // At most kModelReadyMax, in the order of the ledger.
  bool operator==(const ModelRecord&) const = default;
};

// started -> certified -> assigned -> used | burnt;  started -> dead.
enum class AttemptStatus : std::uint8_t {
  kStarted = 1,
  kDead,       // t + 1 members found it bad.
  kCertified,  // Good: a bundle in the pool, or a part of one.
  kAssigned,   // To a request that is not yet completed.
  kUsed,       // Its request is completed: the masks are erased.
  kBurnt,      // Its request expired, its epoch ended without one, or another part of it is dead.
};
std::string_view Name(AttemptStatus status);

// Who made a fixed layer: as its certificate says.
struct LayerMaker {
  PartyId king{};
  Digest senders;  // SendersDigest
  bool operator==(const LayerMaker&) const = default;
};

// What a member found about a dead attempt.
struct PostedFinding {
  PartyId party{};
  Digest digest;  // FindingDigest
  bool operator==(const PostedFinding&) const = default;
};

// What a member lied about in a dead attempt.
enum class Lie : std::uint8_t {
  kVector = 1,  // Signed and sent a message vector that was not what it had to be.
  kLayer,       // As king, opened something else than the vectors it was sent say.
};
std::string_view Name(Lie lie);

struct Culprit {
  PartyId party{};
  Lie lie = Lie::kVector;
  bool operator==(const Culprit&) const = default;
};

struct AttemptRecord {
  std::uint64_t epoch = 0;  // Whose members make and use it; parties are theirs.
  Digest model;
  std::uint32_t bucket = 0;
  AttemptStatus status = AttemptStatus::kStarted;
  std::uint32_t segment = 0;         // Of the plan: what the attempt prepares.
  std::uint64_t bundle = 0;          // The attempt for segment 0, whose number is the bundle's.
  std::vector<std::uint64_t> parts;  // Of segment 0: the attempts for segments 1, 2 and so on.
  std::uint32_t layers_needed = 0;
  std::vector<Digest> layers;  // Roots of the layers fixed so far.
  Digest transcript;           // ExtendTranscript over them.
  std::vector<PartyId> pass;   // Who voted, in the order of the ledger.
  std::vector<PartyId> fail;
  std::uint64_t request = 0;       // Assigned to; 0 while there is none.
  std::vector<LayerMaker> makers;  // By fixed layer.
  std::vector<PartyId> excluded;   // Neither senders nor kings: there is evidence against them.
  std::vector<PostedFinding> findings;  // Of a dead one, in the order of the ledger.
  std::vector<Culprit> culprits;        // Once t + 1 members found the same; ascending.
  bool operator==(const AttemptRecord&) const = default;
};

// What the ledger needs of a bucket again and again.
struct BucketTerms {
  std::uint16_t members = 0;  // Of the committee that it was compiled for.
  std::uint32_t tokens = 0;
  std::uint32_t vocabulary_padded = 0;
  std::uint32_t outputs = 0;
  std::vector<std::uint32_t> layers;  // Of each segment's attempt.
  std::uint32_t pool_target = 0;
  std::uint64_t price = 0;
  std::uint64_t bundle_price = 0;
  std::uint32_t steps = 1;
  bool operator==(const BucketTerms&) const = default;
};

// What there is for one bucket of an active model.
struct Pool {
  BucketTerms terms;
  std::vector<std::uint64_t> started;  // Attempts in progress.
  std::vector<std::uint64_t> ready;    // Certified bundles, oldest first.
  std::vector<std::uint64_t> waiting;  // Requests without a bundle, oldest first.
  bool operator==(const Pool&) const = default;
};

enum class RequestStatus : std::uint8_t {
  kOpened = 1,
  kSubmitted,
  kComputed,
  kCompleted,
  kExpired
};
std::string_view Name(RequestStatus status);

// Why a member is named in a request's record. It then earns nothing for it.
enum class Misdeed : std::uint8_t {
  kAccused = 1,      // By t + 1 members.
  kOtherTranscript,  // Attested another transcript than n - t others.
  kWrongShare,       // Posted a share off the polynomial, or no shares at all.
  kEquivocation,     // Signed two different attestations or outputs.
};
inline constexpr Misdeed kMisdeedLast = Misdeed::kEquivocation;
std::string_view Name(Misdeed misdeed);

struct Attestation {
  PartyId party{};
  Digest transcript;
  std::uint32_t steps = 1;  // That were computed.
  bool operator==(const Attestation&) const = default;
};

struct OutputPost {
  PartyId party{};
  std::vector<ShareBytes> shares;
  bool operator==(const OutputPost&) const = default;
};

struct Accusation {
  PartyId accuser{};
  PartyId accused{};
  auto operator<=>(const Accusation&) const = default;
};

struct NamedParty {
  PartyId party{};
  Misdeed misdeed{};
  auto operator<=>(const NamedParty&) const = default;
};

struct RequestRecord {
  PublicKey owner;
  Digest model;
  std::uint32_t bucket = 0;
  RequestStatus status = RequestStatus::kOpened;
  std::uint64_t price = 0;           // Escrowed until the request is completed or expired.
  std::uint64_t opened_round = 0;    // All rounds are those of committed leaders.
  std::uint64_t attempt = 0;         // The bundle; 0 while waiting for one.
  std::uint64_t deadline_round = 0;  // The last round to submit in; 0 while waiting.
  std::uint64_t submitted_round = 0;
  std::uint64_t completed_round = 0;
  Digest submission;  // SubmissionDigest
  std::vector<std::uint32_t> masked_tokens;
  std::vector<Attestation> attestations;  // In the order of the ledger, one a party.
  Digest transcript;                      // What n - t of them say, once computed.
  std::vector<OutputPost> posts;          // In the order of the ledger, one a party.
  std::vector<ShareBytes> output;         // Masked, once completed.
  std::vector<Accusation> accusations;    // Ascending, distinct.
  std::vector<NamedParty> named;          // Ascending, distinct.
  std::vector<PartyId> paid;              // Who shared what was charged.
  bool until_end = false;                 // SubmitInference's.
  std::uint32_t steps = 0;                // What n - t of them say, once computed.
  std::uint64_t charged = 0;  // Of the price, once completed or expired; the owner has the rest.
  bool operator==(const RequestRecord&) const = default;
};

struct Totals {
  std::uint64_t models = 0;
  std::uint64_t attempts = 0;
  std::uint64_t requests = 0;
  std::uint64_t in_progress = 0;  // Started attempts.
  std::uint64_t opened = 0;       // Requests not yet submitted, with a bundle or waiting for one.
  std::uint64_t escrow = 0;       // Prices of the requests that are neither completed nor expired.
  std::uint64_t fees = 0;         // Collected and not yet divided among the validators.
  std::uint64_t bonded = 0;       // Stake of all validators.
  std::uint64_t unbonding = 0;    // Stake on its way back to its owners.
  std::uint64_t epoch = 1;        // The present one.
  bool operator==(const Totals&) const = default;
};

// Buckets that a pool is kept for, in the order of their activation.
struct Active {
  struct Entry {
    Digest model;
    std::uint32_t bucket = 0;
    bool operator==(const Entry&) const = default;
  };
  std::vector<Entry> entries;
  std::uint32_t next = 0;  // Whose turn it is to start an attempt.
  bool operator==(const Active&) const = default;
};

// Requests with a bundle and not yet submitted, by deadline.
struct Opened {
  struct Entry {
    std::uint64_t request = 0;
    std::uint64_t deadline_round = 0;
    bool operator==(const Entry&) const = default;
  };
  std::vector<Entry> entries;
  bool operator==(const Opened&) const = default;
};

Bytes AccountKey(const PublicKey& account);
Bytes ValidatorKey(const PublicKey& validator);
Bytes ModelKey(const Digest& model);
Bytes ModelNumberKey(std::uint64_t number);
Bytes AttemptKey(std::uint64_t attempt);
Bytes RequestKey(std::uint64_t request);
Bytes PoolKey(const Digest& model, std::uint32_t bucket);
Bytes EpochKey(std::uint64_t number);
Bytes DealingsKey(std::uint64_t epoch);
Bytes EpochKeysKey(std::uint64_t epoch);
Bytes StakingKey();
Bytes TurnKey();
Bytes TotalsKey();
Bytes ActiveKey();
Bytes OpenedKey();

Bytes Encode(const Account& record);
Bytes Encode(const ValidatorRecord& record);
Bytes Encode(const Staking& record);
Bytes Encode(const Turn& record);
Bytes Encode(const Dealings& record);
Bytes Encode(const EpochKeys& record);
Bytes Encode(const EpochRecord& record);
Bytes Encode(const ModelRecord& record);
Bytes Encode(const AttemptRecord& record);
Bytes Encode(const Pool& record);
Bytes Encode(const RequestRecord& record);
Bytes Encode(const Totals& record);
Bytes Encode(const Active& record);
Bytes Encode(const Opened& record);

// T is one of the records above. kCorrupt for anything but its canonical bytes.
template <class T>
Result<T> DecodeRecord(ByteSpan bytes);
template <>
Result<Account> DecodeRecord(ByteSpan bytes);
template <>
Result<ValidatorRecord> DecodeRecord(ByteSpan bytes);
template <>
Result<Staking> DecodeRecord(ByteSpan bytes);
template <>
Result<Turn> DecodeRecord(ByteSpan bytes);
template <>
Result<Dealings> DecodeRecord(ByteSpan bytes);
template <>
Result<EpochKeys> DecodeRecord(ByteSpan bytes);
template <>
Result<EpochRecord> DecodeRecord(ByteSpan bytes);
template <>
Result<ModelRecord> DecodeRecord(ByteSpan bytes);
template <>
Result<AttemptRecord> DecodeRecord(ByteSpan bytes);
template <>
Result<Pool> DecodeRecord(ByteSpan bytes);
template <>
Result<RequestRecord> DecodeRecord(ByteSpan bytes);
template <>
Result<Totals> DecodeRecord(ByteSpan bytes);
template <>
Result<Active> DecodeRecord(ByteSpan bytes);
template <>
Result<Opened> DecodeRecord(ByteSpan bytes);

}  // namespace proto
