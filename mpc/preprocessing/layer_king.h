// One member as king of one layer: opens the values and collects the echoes that certify them.
//
//   on signed vectors of n - t senders   interpolate c at 0, send c and the senders' signed roots
//   to
//                                        all, once
//   on n - t echoes of that              a LayerCertificate, once
//
// The 2t + 1 = n - t vectors just determine a polynomial of degree 2t: one wrong vector changes c
// unseen, and a lying king may send any c. The verification finds that (mpc/preprocessing/
// compression.h), the signatures say later who it was.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "mpc/party.h"
#include "mpc/preprocessing/transcript.h"
#include "proto/protocol.h"

namespace mpc {

class LayerKing {
 public:
  // `size` values a vector.
  LayerKing(const PartyContext& context, const Place& place, std::size_t size);
  LayerKing(LayerKing&&) = default;
  ~LayerKing();

  bool Has(proto::PartyId sender) const { return vectors_.count(sender) == 1; }
  // What a sender signed whose vector was taken.
  const proto::SignedRoot& Signed(proto::PartyId sender) const {
    return vectors_.at(sender).signed_root;
  }
  // A sender's first vector, of the right length; none when it is taken, else what is wrong.
  std::optional<proto::FaultKind> AddVector(proto::PartyId sender,
                                            const proto::LayerVector& vector);
  // The same, where the values' root is known.
  std::optional<proto::FaultKind> AddVector(proto::PartyId sender, const proto::LayerVector& vector,
                                            const proto::Digest& root);

  // Makes the layer from the first n - t vectors that have come from `allowed` parties (by party),
  // if there are so many and none was made before.
  bool Make(const std::vector<bool>& allowed);
  // What to send to all, once made.
  const std::optional<proto::KingLayer>& layer() const { return layer_; }
  // Of its values.
  const proto::Digest& root() const { return root_; }
  // Whose vectors it was made from.
  std::vector<bool> Senders() const;

  std::optional<proto::FaultKind> AddEcho(proto::PartyId from, const proto::Echo& echo);
  // The certificate, for the first call that finds n - t echoes.
  std::optional<proto::LayerCertificate> TakeCertificate();

 private:
  struct Vector {
    std::vector<Fp> values;
    proto::SignedRoot signed_root;
  };

  const PartyContext& context_;
  const Place place_;
  const std::size_t size_;
  std::map<proto::PartyId, Vector> vectors_;
  std::vector<proto::PartyId> order_;  // Of arrival.
  std::optional<proto::KingLayer> layer_;
  proto::Digest root_;
  proto::Digest senders_;
  std::map<proto::PartyId, proto::Signature> echoes_;
  bool certified_ = false;
};

}  // namespace mpc
