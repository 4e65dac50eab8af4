// A validator's TLS certificate: self-signed, and trusted by nobody but through the validator's
// key.
//
// There is no authority. The genesis document lists each validator's certificate beside a signature
// of proto::CertificateDigest by the validator's key; a peer is believed exactly when it proves in
// the TLS handshake that it owns the key of the certificate listed for it. A certificate must not
// be able to issue others (basic constraints CA:FALSE): one that can would let its owner appear
// under a second certificate of the same name.
#pragma once

#include <string>
#include <string_view>

#include "proto/base/bytes.h"
#include "proto/crypto/signature.h"

namespace node {

struct TlsIdentity {
  std::string certificate_pem;  // Public.
  std::string key_pem;          // Secret: PKCS #8, not encrypted.
};

// A fresh key on P-256 and its certificate, valid from yesterday and without end (genesis, not a
// date, says how long it holds). The name, 1 to 63 of [a-z0-9.-], becomes the common name and the
// one subject alternative name.
proto::Result<TlsIdentity> MakeTlsIdentity(std::string_view name);

// Whether `key` signed proto::CertificateDigest of the certificate, which hashes the PEM text:
// CheckCertificate demands its one canonical form.
bool Vouches(const proto::PublicKey& key, std::string_view certificate_pem,
             const proto::Signature& signature);

// The subject alternative name of a certificate that can be pinned: one certificate in canonical
// PEM, self-signed, CA:FALSE, exactly one DNS name. Otherwise a sentence saying what is wrong.
proto::Result<std::string> CheckCertificate(std::string_view certificate_pem);

// That the identity's key belongs to its certificate, and the certificate passes CheckCertificate.
proto::Result<> CheckIdentity(const TlsIdentity& identity);

}  // namespace node
