// From a Hugging Face directory to what the network serves: plans compiled for each length, the
// tokenizer, and the manifest that goes onto the ledger.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mpc/model/compile.h"
#include "mpc/plan/cost.h"
#include "mpc/plan/plan.h"
#include "mpc/preprocessing/layers.h"
#include "node/cli/client.h"
#include "node/cli/model_files.h"
#include "proto/wire/ledger.h"

namespace node {

struct Package {
  proto::Manifest manifest;
  std::vector<proto::SharedBytes> files;  // In the manifest's order; plans are mapped.
  struct Cost {
    std::uint32_t tokens = 0;
    double leakage_bits = 0;
    mpc::Cost counted;
  };
  std::vector<Cost> costs;       // By bucket.
  std::vector<mpc::Plan> plans;  // Likewise; empty in a package that was read.
};

struct PackageOptions {
  std::string name;                          // Empty: the directory's last part.
  std::vector<std::uint32_t> tokens = {32};  // Buckets, ascending.
  std::uint32_t generate = 16;               // Tokens of an answer, if the model writes text.
  std::string approximation = "exact";       // Or puma, mpcformer; in the manifest's architecture.
  double temperature = 0;                    // Of sampled tokens; 0: the likeliest.
  std::uint64_t price = 1000;
  std::uint32_t pool_target = 2;
  std::uint64_t segment_values = mpc::kKeptValuesMax;  // proto::Bucket
  // Of a logit, or an embedding relative to its size: what weights of 8 bits may change.
  double weight_error = mpc::CompileOptions{}.weight_error;
  std::string scratch;  // Where plans are made, in files without a name; empty: TMPDIR.
};

proto::Result<Package> MakePackage(const LocalModel& model, const proto::Committee& committee,
                                   const proto::PublicKey& owner, const PackageOptions& options,
                                   const Progress& progress);
// A package in a directory: package.json and the files it names. Whose key registers it becomes its
// owner.
proto::Result<> WritePackage(const Package& package, const std::string& directory);
proto::Result<Package> ReadPackage(const std::string& directory, const proto::PublicKey& owner);
bool IsPackage(const std::string& directory);

// Whether the committee may serve the package's plans: well formed, with ranges that the field
// holds, and not leaking more than 2^-40 in one inference. Validators check the same of what they
// get.
proto::Result<> CheckPlans(const Package& package, const proto::Committee& committee);

// Registers the model, hands its files to f + 1 validators and waits until it is active. The
// model's id. `models`: where validators of this machine keep models; the files are put there and
// need not be sent to them. Empty: no such place.
proto::Result<proto::Digest> RegisterPackage(const Client& client, const Package& package,
                                             const std::string& models, const Progress& progress);

}  // namespace node
