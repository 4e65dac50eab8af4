#include "proto/wire/ledger.h"

#include <algorithm>

#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/hash.h"
#include "proto/ledger.pb.h"

namespace proto {
namespace {

namespace pb = waxseal::ledger;

std::string Text(ByteSpan bytes) {
  return std::string(AsText(bytes));
}

Bytes Serialize(const google::protobuf::MessageLite& message) {
  Bytes bytes(message.ByteSizeLong());
  CHECK(message.SerializeToArray(bytes.data(), static_cast<int>(bytes.size())));
  return bytes;
}

// Parses what is canonical and at most `size_max` bytes; else says what is wrong.
template <class Message>
const char* Parse(ByteSpan bytes, std::size_t size_max, Message& message) {
  if (bytes.size() > size_max) return "it is longer than its limit";
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return "it is not protobuf of its kind";
  }
  message.DiscardUnknownFields();
  return std::ranges::equal(Serialize(message), bytes) ? nullptr : "its encoding is not canonical";
}

// Reads the fields of messages; the first fault is kept and makes all the rest worthless.
class Checker {
 public:
  void Require(bool condition, const char* otherwise) {
    if (!condition && fault_ == nullptr) fault_ = otherwise;
  }
  template <class Name>
  Name Fixed(const std::string& bytes) {
    const auto name = Name::From(AsBytes(bytes));
    Require(name.has_value(), "a key, digest or signature has the wrong length");
    return name ? *name : Name{};
  }
  PartyId Party(std::uint32_t party) {
    Require(party < kCommitteeMax, "a party is beyond the largest committee");
    return static_cast<PartyId>(party);
  }
  // Ascending and distinct, hence at most kCommitteeMax.
  template <class Field>
  std::vector<PartyId> Parties(const Field& field) {
    std::vector<PartyId> parties;
    if (!Limit(field, kCommitteeMax)) return parties;
    for (const std::uint32_t party : field) {
      Require(parties.empty() || Index(parties.back()) < party, "parties are not ascending");
      parties.push_back(Party(party));
    }
    return parties;
  }
  template <class Field>
  bool Limit(const Field& field, std::size_t limit) {
    Require(static_cast<std::size_t>(field.size()) <= limit, "a list or text is beyond its limit");
    return static_cast<std::size_t>(field.size()) <= limit;
  }
  const char* fault() const { return fault_; }

 private:
  const char* fault_ = nullptr;
};

std::string Message(const char* what, const char* fault) {
  return std::string("this is no ") + what + ": " + fault;
}

// --- Payloads, one function each way. ---

void Put(pb::TransactionBody& body, const Transfer& payload) {
  body.mutable_transfer()->set_to(Text(payload.to.span()));
  body.mutable_transfer()->set_amount(payload.amount);
}

void Put(pb::TransactionBody& body, const RegisterModel& payload) {
  body.mutable_register_model()->set_manifest(Text(payload.manifest));
}

void Put(pb::TransactionBody& body, const OpenRequest& payload) {
  body.mutable_open_request()->set_model(Text(payload.model.span()));
  body.mutable_open_request()->set_bucket(payload.bucket);
}

void Put(pb::TransactionBody& body, const SubmitInference& payload) {
  auto& out = *body.mutable_submit_inference();
  out.set_request(payload.request);
  out.mutable_masked_tokens()->Assign(payload.masked_tokens.begin(), payload.masked_tokens.end());
}

void Put(pb::TransactionBody& body, const ModelReady& payload) {
  body.mutable_model_ready()->set_model(Text(payload.model.span()));
}

void Put(pb::TransactionBody& body, const FixLayer& payload) {
  const LayerCertificate& certificate = payload.certificate;
  auto& out = *body.mutable_fix_layer();
  out.set_attempt(certificate.attempt);
  out.set_layer(certificate.layer);
  out.set_king(Index(certificate.king));
  out.set_root(Text(certificate.root.span()));
  out.set_senders(Text(certificate.senders.span()));
  for (const auto& [party, signature] : certificate.echoes) {
    auto& echo = *out.add_echoes();
    echo.set_party(Index(party));
    echo.set_signature(Text(signature.span()));
  }
}

void Put(pb::TransactionBody& body, const Verdict& payload) {
  body.mutable_verdict()->set_attempt(payload.attempt);
  body.mutable_verdict()->set_transcript(Text(payload.transcript.span()));
  body.mutable_verdict()->set_pass(payload.pass);
}

void Put(pb::TransactionBody& body, const Attest& payload) {
  body.mutable_attest()->set_request(payload.request);
  body.mutable_attest()->set_transcript(Text(payload.transcript.span()));
  for (const PartyId party : payload.accused) body.mutable_attest()->add_accused(Index(party));
}

void Put(pb::TransactionBody& body, const PostOutput& payload) {
  auto& out = *body.mutable_post_output();
  out.set_request(payload.request);
  for (const ShareBytes& share : payload.shares) out.mutable_shares()->append(AsText(share));
  for (const PartyId party : payload.accused) out.add_accused(Index(party));
}

void Put(pb::TransactionBody& body, const ReportEvidence& payload) {
  body.mutable_report_evidence()->set_evidence(Text(payload.evidence));
}

Transfer Get(Checker& check, const pb::TransferPayload& in) {
  check.Require(in.amount() <= kAmountMax, "an amount is beyond all money there is");
  return {check.Fixed<PublicKey>(in.to()), in.amount()};
}

RegisterModel Get(Checker& check, const pb::RegisterModelPayload& in) {
  check.Limit(in.manifest(), kManifestBytesMax);
  const ByteSpan manifest = AsBytes(in.manifest());
  return {Bytes(manifest.begin(), manifest.end())};
}

OpenRequest Get(Checker& check, const pb::OpenRequestPayload& in) {
  return {check.Fixed<Digest>(in.model()), in.bucket()};
}

SubmitInference Get(Checker& check, const pb::SubmitInferencePayload& in) {
  check.Limit(in.masked_tokens(), kTokensMax);
  return {in.request(), {in.masked_tokens().begin(), in.masked_tokens().end()}};
}

ModelReady Get(Checker& check, const pb::ModelReadyPayload& in) {
  return {check.Fixed<Digest>(in.model())};
}

FixLayer Get(Checker& check, const pb::FixLayerPayload& in) {
  LayerCertificate certificate;
  certificate.attempt = in.attempt();
  certificate.layer = in.layer();
  certificate.king = check.Party(in.king());
  certificate.root = check.Fixed<Digest>(in.root());
  certificate.senders = check.Fixed<Digest>(in.senders());
  check.Require(in.layer() < kLayersMax, "a layer is beyond its limit");
  if (!check.Limit(in.echoes(), kCommitteeMax)) return {};
  for (const auto& echo : in.echoes()) {
    const PartyId party = check.Party(echo.party());
    check.Require(certificate.echoes.empty() || certificate.echoes.back().first < party,
                  "echoes are not ascending by party");
    certificate.echoes.emplace_back(party, check.Fixed<Signature>(echo.signature()));
  }
  return {std::move(certificate)};
}

Verdict Get(Checker& check, const pb::VerdictPayload& in) {
  return {in.attempt(), check.Fixed<Digest>(in.transcript()), in.pass()};
}

Attest Get(Checker& check, const pb::AttestPayload& in) {
  return {in.request(), check.Fixed<Digest>(in.transcript()), check.Parties(in.accused())};
}

PostOutput Get(Checker& check, const pb::PostOutputPayload& in) {
  PostOutput payload{in.request(), {}, check.Parties(in.accused())};
  const ByteSpan bytes = AsBytes(in.shares());
  constexpr std::size_t kSize = std::tuple_size_v<ShareBytes>;
  check.Require(bytes.size() % kSize == 0, "shares have 16 bytes each");
  if (!check.Limit(in.shares(), kOutputsMax * kSize)) return payload;
  payload.shares.resize(bytes.size() / kSize);
  for (std::size_t i = 0; i < payload.shares.size(); ++i) {
    std::ranges::copy(bytes.subspan(i * kSize, kSize), payload.shares[i].begin());
  }
  return payload;
}

ReportEvidence Get(Checker& check, const pb::ReportEvidencePayload& in) {
  check.Limit(in.evidence(), kEvidenceBytesMax);
  const ByteSpan evidence = AsBytes(in.evidence());
  return {Bytes(evidence.begin(), evidence.end())};
}

Payload GetPayload(Checker& check, const pb::TransactionBody& in) {
  using Body = pb::TransactionBody;
  switch (in.payload_case()) {
    case Body::kTransfer:
      return Get(check, in.transfer());
    case Body::kRegisterModel:
      return Get(check, in.register_model());
    case Body::kOpenRequest:
      return Get(check, in.open_request());
    case Body::kSubmitInference:
      return Get(check, in.submit_inference());
    case Body::kModelReady:
      return Get(check, in.model_ready());
    case Body::kFixLayer:
      return Get(check, in.fix_layer());
    case Body::kVerdict:
      return Get(check, in.verdict());
    case Body::kAttest:
      return Get(check, in.attest());
    case Body::kPostOutput:
      return Get(check, in.post_output());
    case Body::kReportEvidence:
      return Get(check, in.report_evidence());
    case Body::PAYLOAD_NOT_SET:
      break;
  }
  check.Require(false, "it has no payload");
  return {};
}

// --- Manifests. ---

bool IsName(std::string_view text, bool upper) {
  const auto allowed = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
           (upper && c >= 'A' && c <= 'Z');
  };
  return !text.empty() && text.size() <= kNameBytesMax && text.front() != '.' &&
         std::ranges::all_of(text, allowed);
}

// UTF-8 as protobuf has checked it, without control characters.
bool IsLabel(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && std::ranges::none_of(text, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

void CheckBucket(Checker& check, const Bucket& bucket) {
  check.Require(bucket.tokens >= 1 && bucket.tokens <= kTokensMax,
                "a bucket's tokens are out of range");
  check.Require(bucket.vocabulary_padded >= 2 && bucket.vocabulary_padded <= kVocabularyPaddedMax &&
                    (bucket.vocabulary_padded & (bucket.vocabulary_padded - 1)) == 0,
                "a bucket's padded vocabulary is no power of two in range");
  check.Require(bucket.outputs >= 1 && bucket.outputs <= kOutputsMax,
                "a bucket's outputs are out of range");
  check.Require(bucket.output_frac <= kOutputFracMax, "a bucket's fraction bits are out of range");
  check.Require(bucket.labels.empty() || bucket.labels.size() == bucket.outputs,
                "a bucket has neither no labels nor one for each output");
  check.Require(std::ranges::all_of(bucket.labels, IsLabel), "a label is no short printable text");
  check.Require(bucket.price <= kAmountMax, "a price is beyond all money there is");
  check.Require(bucket.bundle_price <= bucket.price, "a bundle's price is above the whole price");
  check.Require(bucket.layers >= 1 && bucket.layers <= kLayersMax,
                "a bucket's layers are out of range");
}

void CheckManifest(Checker& check, const Manifest& manifest) {
  check.Require(IsName(manifest.name, true), "the model's name is not 1 to 64 of [A-Za-z0-9._-]");
  check.Require(IsName(manifest.architecture, true),
                "the architecture is not 1 to 64 of [A-Za-z0-9._-]");
  check.Require(!manifest.files.empty() && manifest.files.size() <= kPackageFilesMax,
                "the package has no files or too many");
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < manifest.files.size(); ++i) {
    const PackageFile& file = manifest.files[i];
    check.Require(IsName(file.name, false), "a file's name is not 1 to 64 of [a-z0-9._-]");
    check.Require(i == 0 || manifest.files[i - 1].name < file.name,
                  "files are not ascending by name");
    check.Require(file.size >= 1 && file.size <= kPackageBytesMax - size,
                  "a file is empty or the package too large");
    size += std::min(file.size, kPackageBytesMax - size);
  }
  check.Require(!manifest.buckets.empty() && manifest.buckets.size() <= kBucketsMax,
                "the model has no buckets or too many");
  for (std::size_t i = 0; i < manifest.buckets.size(); ++i) {
    CheckBucket(check, manifest.buckets[i]);
    check.Require(i == 0 || manifest.buckets[i - 1].tokens < manifest.buckets[i].tokens,
                  "buckets are not ascending by tokens");
  }
}

Manifest GetManifest(Checker& check, const pb::ModelManifest& in) {
  Manifest manifest;
  manifest.name = in.name();
  manifest.architecture = in.architecture();
  manifest.owner = check.Fixed<PublicKey>(in.owner());
  manifest.tokenizer_digest = check.Fixed<Digest>(in.tokenizer_digest());
  for (const auto& file : in.files()) {
    manifest.files.push_back({file.name(), check.Fixed<Digest>(file.digest()), file.size()});
  }
  for (const auto& bucket : in.buckets()) {
    manifest.buckets.push_back({bucket.tokens(),
                                bucket.vocabulary_padded(),
                                check.Fixed<Digest>(bucket.plan_digest()),
                                bucket.outputs(),
                                bucket.output_frac(),
                                {bucket.labels().begin(), bucket.labels().end()},
                                bucket.price(),
                                bucket.bundle_price(),
                                bucket.pool_target(),
                                bucket.layers()});
  }
  CheckManifest(check, manifest);
  return manifest;
}

}  // namespace

bool IsValidatorPayload(const Payload& payload) {
  static_assert(std::is_same_v<std::variant_alternative_t<4, Payload>, ModelReady>);
  return payload.index() >= 4;
}

Digest TransactionId(ByteSpan body) {
  return Hash("waxseal/transaction", {body});
}

Bytes SignTransaction(const SecretKey& sender, Transaction transaction) {
  pb::TransactionBody body;
  body.set_chain(Text(transaction.chain.span()));
  body.set_sender(Text(sender.public_key().span()));
  body.set_nonce(transaction.nonce);
  std::visit([&](const auto& payload) { Put(body, payload); }, transaction.payload);
  Checker check;
  GetPayload(check, body);
  CHECK(check.fault() == nullptr);
  const Bytes bytes = Serialize(body);
  pb::SignedTransaction signed_transaction;
  signed_transaction.set_body(Text(bytes));
  signed_transaction.set_signature(Text(sender.Sign(TransactionId(bytes)).span()));
  return Serialize(signed_transaction);
}

CheckedTransaction CheckedTransaction::Check(const Digest& chain, std::size_t bytes_max,
                                             Bytes bytes) {
  CheckedTransaction result;
  result.bytes_ = std::move(bytes);
  result.id_ = Hash("waxseal/transaction/malformed", {result.bytes_});
  const auto refuse = [&](Flaw flaw, std::string message) {
    result.refusal_ = {flaw, std::move(message)};
    return std::move(result);
  };
  pb::SignedTransaction outer;
  pb::TransactionBody body;
  const char* fault = Parse(result.bytes_, std::min(bytes_max, kTransactionBytesMax), outer);
  if (fault == nullptr) fault = Parse(AsBytes(outer.body()), kTransactionBytesMax, body);
  Checker check;
  if (fault == nullptr) {
    Transaction transaction;
    transaction.chain = check.Fixed<Digest>(body.chain());
    transaction.sender = check.Fixed<PublicKey>(body.sender());
    transaction.nonce = body.nonce();
    transaction.payload = GetPayload(check, body);
    check.Require(body.nonce() == 0 || !IsValidatorPayload(transaction.payload),
                  "a validator's payload has no nonce");
    check.Require(body.nonce() < kAmountMax, "a nonce is out of range");
    result.transaction_ = std::move(transaction);
  }
  const auto signature = check.Fixed<Signature>(outer.signature());
  if (fault == nullptr) fault = check.fault();
  if (fault != nullptr) {
    result.transaction_.reset();
    return refuse(Flaw::kMalformed, Message("transaction", fault));
  }
  result.id_ = TransactionId(AsBytes(outer.body()));
  const Transaction transaction = std::move(*result.transaction_);
  result.transaction_.reset();
  if (transaction.chain != chain) {
    return refuse(Flaw::kWrongChain, "the transaction was made for another chain");
  }
  if (!Verify(transaction.sender, result.id_, signature)) {
    return refuse(Flaw::kBadSignature, "the transaction's signature is not its sender's");
  }
  result.transaction_ = std::move(transaction);
  return result;
}

Bytes EncodeManifest(const Manifest& manifest) {
  Checker check;
  CheckManifest(check, manifest);
  CHECK(check.fault() == nullptr);
  pb::ModelManifest out;
  out.set_name(manifest.name);
  out.set_architecture(manifest.architecture);
  out.set_owner(Text(manifest.owner.span()));
  out.set_tokenizer_digest(Text(manifest.tokenizer_digest.span()));
  for (const PackageFile& file : manifest.files) {
    auto& to = *out.add_files();
    to.set_name(file.name);
    to.set_digest(Text(file.digest.span()));
    to.set_size(file.size);
  }
  for (const Bucket& bucket : manifest.buckets) {
    auto& to = *out.add_buckets();
    to.set_tokens(bucket.tokens);
    to.set_vocabulary_padded(bucket.vocabulary_padded);
    to.set_plan_digest(Text(bucket.plan_digest.span()));
    to.set_outputs(bucket.outputs);
    to.set_output_frac(bucket.output_frac);
    to.mutable_labels()->Assign(bucket.labels.begin(), bucket.labels.end());
    to.set_price(bucket.price);
    to.set_bundle_price(bucket.bundle_price);
    to.set_pool_target(bucket.pool_target);
    to.set_layers(bucket.layers);
  }
  return Serialize(out);
}

Result<Manifest> DecodeManifest(ByteSpan bytes) {
  pb::ModelManifest in;
  const char* fault = Parse(bytes, kManifestBytesMax, in);
  if (fault != nullptr) return Fail(ErrorCode::kInvalidArgument, Message("manifest", fault));
  Checker check;
  Manifest manifest = GetManifest(check, in);
  if (check.fault() == nullptr) return manifest;
  return Fail(ErrorCode::kInvalidArgument, Message("manifest", check.fault()));
}

Digest ModelId(ByteSpan manifest) {
  return Hash("waxseal/model", {manifest});
}

Digest SubmissionDigest(const Digest& chain, std::uint64_t request, std::uint64_t attempt,
                        const std::vector<std::uint32_t>& masked_tokens) {
  Hasher hasher("waxseal/submission");
  hasher.Add(chain.span()).Add(request).Add(attempt).Add(std::uint64_t{masked_tokens.size()});
  for (const std::uint32_t token : masked_tokens) hasher.Add(std::uint64_t{token});
  return hasher.Finish();
}

}  // namespace proto
