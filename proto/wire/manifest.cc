#include <algorithm>

#include "proto/base/check.h"
#include "proto/crypto/hash.h"
#include "proto/ledger.pb.h"
#include "proto/wire/checker.h"
#include "proto/wire/ledger.h"

namespace proto {
namespace {

namespace pb = waxseal::ledger;

bool IsName(std::string_view text, bool upper) {
  const auto allowed = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
           (upper && c >= 'A' && c <= 'Z');
  };
  return !text.empty() && text.size() <= kNameBytesMax && text.front() != '.' &&
         std::ranges::all_of(text, allowed);
}

// Well-formed UTF-8 (RFC 3629) without control characters.
bool IsLabel(std::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax) return false;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) {
      return at < text.size() ? static_cast<std::uint8_t>(text[at]) : std::uint8_t{0};
    };
    const std::uint8_t lead = byte(i);
    const std::size_t tail = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (lead < 0x20 || lead == 0x7f || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return false;
    for (std::size_t j = 1; j <= tail; ++j) {
      if (byte(i + j) >> 6 != 2) return false;
    }
    const std::uint8_t next = byte(i + 1);
    const bool overlong = (lead == 0xe0 && next < 0xa0) || (lead == 0xf0 && next < 0x90);
    const bool surrogate = lead == 0xed && next >= 0xa0;
    const bool beyond = lead == 0xf4 && next >= 0x90;
    if (overlong || surrogate || beyond) return false;
    i += 1 + tail;
  }
  return true;
}

void CheckBucket(Checker& check, const Bucket& bucket) {
  check.Require(bucket.tokens >= 1 && bucket.tokens <= kTokensMax,
                "a bucket's tokens are out of range");
  check.Require(bucket.vocabulary_padded >= 2 && bucket.vocabulary_padded <= kVocabularyPaddedMax &&
                    (bucket.vocabulary_padded & (bucket.vocabulary_padded - 1)) == 0,
                "a bucket's padded vocabulary is no power of two in range");
  check.Require(bucket.outputs >= 1 && bucket.outputs <= kOutputsMax,
                "a bucket's outputs are out of range");
  check.Require(bucket.steps >= 1 && bucket.outputs % bucket.steps == 0,
                "a bucket's outputs are not those of its steps");
  check.Require(bucket.output_frac <= kOutputFracMax, "a bucket's fraction bits are out of range");
  // The last outputs may be range flags.
  check.Require(bucket.labels.size() <= bucket.outputs, "a bucket has more labels than outputs");
  check.Require(std::ranges::all_of(bucket.labels, IsLabel), "a label is no short printable text");
  check.Require(bucket.price <= kAmountMax, "a price is beyond all money there is");
  check.Require(bucket.bundle_price <= bucket.price, "a bundle's price is above the whole price");
  check.Require(!bucket.layers.empty() && bucket.layers.size() <= kSegmentsMax,
                "a bucket has no segments or too many");
  check.Require(
      std::ranges::all_of(bucket.layers,
                          [](std::uint32_t layers) { return layers >= 1 && layers <= kLayersMax; }),
      "a bucket's layers are out of range");
  check.Require(bucket.segment_values >= 1, "a bucket's segments have no values");
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
                                {bucket.layers().begin(), bucket.layers().end()},
                                bucket.segment_values(),
                                bucket.steps()});
  }
  CheckManifest(check, manifest);
  return manifest;
}

}  // namespace

Result<> CheckManifest(const Manifest& manifest) {
  Checker check;
  CheckManifest(check, manifest);
  if (check.fault() == nullptr) return {};
  return Fail(ErrorCode::kInvalidArgument,
              std::string("the model cannot be registered: ") + check.fault());
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
    to.mutable_layers()->Assign(bucket.layers.begin(), bucket.layers.end());
    to.set_segment_values(bucket.segment_values);
    to.set_steps(bucket.steps);
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

}  // namespace proto
