#include "mpc/preprocessing/layer_king.h"

#include <algorithm>
#include <utility>

#include "mpc/field/combine.h"
#include "mpc/sharing/shamir.h"
#include "proto/base/check.h"
#include "proto/crypto/merkle.h"

namespace mpc {

using proto::FaultKind;
using proto::PartyId;

LayerKing::LayerKing(const PartyContext& context, const Place& place, std::size_t size)
    : context_(context), place_(place), size_(size) {}

LayerKing::~LayerKing() {
  for (auto& [party, vector] : vectors_) {
    proto::SecureErase(vector.values.data(), vector.values.size() * sizeof(Fp));
  }
}

std::optional<FaultKind> LayerKing::AddVector(PartyId sender, const proto::LayerVector& vector) {
  return AddVector(sender, vector, proto::MerkleRootOfBytes(vector.values));
}

std::optional<FaultKind> LayerKing::AddVector(PartyId sender, const proto::LayerVector& vector,
                                              const proto::Digest& root) {
  CHECK(!Has(sender) && vector.values.size() == size_ * Fp::kBytes);
  if (!Verify(context_.keys[Index(sender)], VectorDigest(place_, root), vector.signature)) {
    return FaultKind::kBadSignature;
  }
  auto values = DecodeElements(vector.values);
  if (!values) return FaultKind::kMalformed;
  vectors_[sender] = {std::move(*values), {sender, root, vector.signature}};
  order_.push_back(sender);
  return {};
}

bool LayerKing::Make(const std::vector<bool>& allowed) {
  if (layer_) return false;
  std::vector<PartyId> senders;
  for (const PartyId sender : order_) {
    if (allowed[Index(sender)] && senders.size() < context_.committee.quorum()) {
      senders.push_back(sender);
    }
  }
  if (senders.size() < context_.committee.quorum()) return false;
  std::sort(senders.begin(), senders.end());

  proto::KingLayer layer{place_.attempt, place_.layer, {}, {}};
  std::vector<Fp> points;
  std::vector<const UInt128*> shares;
  for (const PartyId sender : senders) {
    const Vector& vector = vectors_.at(sender);
    layer.senders.push_back(vector.signed_root);
    points.push_back(Point(sender));
    shares.push_back(Integers(vector.values.data()));
  }
  std::vector<Fp> opened(size_);
  AddCombination(LagrangeCoefficients(points, Fp()), shares, size_, opened.data());
  layer.values = EncodeElements(opened);
  root_ = proto::MerkleRootOfBytes(layer.values);
  senders_ = SendersDigest(layer.senders);
  layer_ = std::move(layer);
  return true;
}

std::vector<bool> LayerKing::Senders() const {
  CHECK(layer_.has_value());
  std::vector<bool> senders(context_.committee.size());
  for (const proto::SignedRoot& sender : layer_->senders) senders[Index(sender.party)] = true;
  return senders;
}

std::optional<FaultKind> LayerKing::AddEcho(PartyId from, const proto::Echo& echo) {
  // An echo of another layer than the one made here was meant for this king before a restart.
  if (!layer_ || echo.root != root_ || echo.senders != senders_) return {};
  if (echoes_.count(from) == 1) return {};
  const proto::Digest digest =
      proto::EchoDigest(place_.chain, place_.epoch, place_.attempt, place_.layer, context_.self,
                        echo.root, echo.senders);
  if (!Verify(context_.keys[Index(from)], digest, echo.signature)) return FaultKind::kBadSignature;
  echoes_[from] = echo.signature;
  return {};
}

std::optional<proto::LayerCertificate> LayerKing::TakeCertificate() {
  if (certified_ || echoes_.size() < context_.committee.quorum()) return {};
  certified_ = true;
  proto::LayerCertificate certificate{place_.attempt, place_.layer, context_.self,
                                      root_,          senders_,     {}};
  certificate.echoes.assign(echoes_.begin(), echoes_.end());
  return certificate;
}

}  // namespace mpc
