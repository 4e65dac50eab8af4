// Shamir sharings: party i's evaluation point is i + 1; decoding in public.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "mpc/field/fp.h"
#include "proto/committee.h"

namespace mpc {

inline Fp Point(proto::PartyId party) { return Fp(std::int64_t{Index(party)} + 1); }

// Lagrange coefficients: p(at) = sum of coefficient[k] * p(points[k]); points distinct.
std::vector<Fp> LagrangeCoefficients(std::span<const Fp> points, Fp at);

// The vectors of shares received for one batch of openings, and their robust decoding by online
// error correction (Ben-Or, Canetti, Goldreich 1993): a value is accepted when one polynomial of
// degree `degree` passes through at least `agreement` received shares; with at most t of the
// parties wrong it is the right one for degree t, agreement 2t + 1. Feed vectors as they come; once
// decoded the result never changes. Work: one matrix product while all agree; positions that do not
// are decoded one by one, and a party found wrong once is left out first.
class RobustDecoder {
 public:
  // `size` values; every party's vector has exactly that length.
  RobustDecoder(const proto::Committee& committee, std::size_t size);

  // A vector of the right length (CHECKed); a party's second vector is ignored (false).
  bool Add(proto::PartyId party, std::vector<Fp> shares);
  // True as soon as every position is decoded.
  bool decoded() const { return decoded_; }
  // The opened values; only when decoded (CHECKed).
  const std::vector<Fp>& values() const;
  // Parties whose received share lies off the accepted polynomial somewhere; grows as late vectors
  // come in.
  const std::vector<proto::PartyId>& wrong() const { return wrong_; }
  std::size_t received() const;

 private:
  void TryDecode();
  void CheckLate(proto::PartyId party);

  proto::Committee committee_;
  std::size_t size_;
  std::vector<std::optional<std::vector<Fp>>> shares_;  // By party.
  std::vector<Fp> values_;
  std::vector<std::vector<Fp>> polynomials_;  // Enough to check late shares: see the body.
  std::vector<proto::PartyId> wrong_;
  bool decoded_ = false;
};

}  // namespace mpc
