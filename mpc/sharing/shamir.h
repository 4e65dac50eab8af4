// Shamir sharings: party i's evaluation point is i + 1; decoding in public.
#pragma once

#include <span>
#include <vector>

#include "mpc/field/fp.h"
#include "proto/committee.h"

namespace mpc {

inline Fp Point(proto::PartyId party) {
  return Fp(std::int64_t{Index(party)} + 1);
}

// Lagrange coefficients: p(at) = sum of coefficient[k] * p(points[k]); points distinct.
std::vector<Fp> LagrangeCoefficients(std::span<const Fp> points, Fp at);

// How many shares must lie on one polynomial of degree t for it to be the right one: t of them may
// be wrong, the t + 1 others determine it.
inline std::size_t Agreement(const proto::Committee& committee) {
  return std::size_t{committee.validity()} + committee.max_faulty();
}

// The vectors of shares received for one batch of openings of degree t, and their robust decoding
// by online error correction (Ben-Or, Canetti, Goldreich 1993): a value is accepted when one
// polynomial of degree t passes through at least Agreement() received shares; with at most t of the
// parties wrong it is the right one. Three shares and one lie at n = 4 are not decodable (two
// points make a line): the decoder waits. Feed vectors as they come; once decoded the result never
// changes, and it does not depend on the order.
//
// What is decoded of a polynomial is its value at 0, the secret, or its values at other points
// (sharing/batch.h).
//
// Work: one matrix product while all agree. At a position where they do not, all choices of t + 1
// parties are tried; a party found wrong there is not relied on again, so this happens at most t
// times, and once for each vector that comes before enough agree.
class RobustDecoder {
 public:
  // `size` polynomials; every party's vector has exactly that length.
  RobustDecoder(const proto::Committee& committee, std::size_t size,
                std::vector<Fp> points = {Fp()});

  // A vector of the right length (CHECKed); a party's second vector is ignored (false).
  bool Add(proto::PartyId party, std::vector<Fp> shares);
  // True as soon as every position is decoded.
  bool decoded() const { return decoded_; }
  // The polynomials' values at the first point, then those at the next; only when decoded
  // (CHECKed).
  const std::vector<Fp>& values() const;
  // Parties whose received share lies off the accepted polynomial somewhere, ascending; grows as
  // late vectors come in.
  const std::vector<proto::PartyId>& wrong() const { return wrong_; }
  std::size_t received() const { return received_.size(); }

 private:
  struct Basis;

  Basis MakeBasis(std::span<const proto::PartyId> parties) const;
  // The basis' polynomials at the point of the coefficients.
  Fp Evaluate(const Basis& basis, const std::vector<Fp>& coefficients, std::size_t position) const;
  void Evaluate(const Basis& basis, const std::vector<Fp>& coefficients, std::size_t first,
                std::span<Fp> out) const;
  bool IsWrong(proto::PartyId party) const;
  // Takes over the values of positions whose shares are corrected.
  void TakeValues(const Basis& basis, std::size_t first, std::size_t count);
  void Correct(proto::PartyId party, std::size_t position, Fp right);
  // Whether enough shares agree with the basis; then the position is decoded, its shares corrected.
  bool Accept(const Basis& basis, std::size_t position);
  // The same for a block where enough shares agree everywhere and only parties found wrong before
  // do not; else false, and nothing is done.
  bool AcceptBlock(const Basis& basis, std::size_t first, std::size_t count);
  bool Search(std::size_t position);
  void CheckDecoded(proto::PartyId party);
  // Orders received_: t + 1 neighbours first, for polynomials given at neighbouring points are
  // evaluated with small integers (field/combine.h); parties found wrong last.
  void Arrange();
  void Decode();

  proto::Committee committee_;
  std::size_t size_;
  std::vector<Fp> points_;
  std::vector<proto::PartyId>
      received_;  // As Arrange ordered them last, then in the order of arrival.
  std::vector<std::vector<Fp>> shares_;  // By party; corrected at positions below next_.
  std::vector<Fp> values_;
  std::size_t next_ = 0;  // The first position not yet decoded.
  std::vector<proto::PartyId> wrong_;
  bool decoded_ = false;
};

}  // namespace mpc
