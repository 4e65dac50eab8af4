#include "node/net/certificate.h"

#include <gtest/gtest.h>

#include "proto/spec.h"
#include "tests/unit/node/net/issue.h"

namespace node {
namespace {

using test::Issue;
using test::Request;

std::string Refusal(const TlsIdentity& identity) {
  const auto checked = CheckCertificate(identity.certificate_pem);
  return checked ? "accepted as " + *checked : checked.error().message;
}

TEST(Certificate, MakesIdentitiesThatPassItsOwnChecks) {
  const auto identity = MakeTlsIdentity("validator-1.waxseal");
  ASSERT_TRUE(identity.has_value());
  EXPECT_EQ(CheckCertificate(identity->certificate_pem).value(), "validator-1.waxseal");
  EXPECT_TRUE(CheckIdentity(*identity).has_value());
  const auto other = MakeTlsIdentity("validator-1.waxseal");
  EXPECT_NE(proto::CertificateDigest(identity->certificate_pem),
            proto::CertificateDigest(other->certificate_pem));
  // Another's key does not belong.
  EXPECT_FALSE(CheckIdentity({identity->certificate_pem, other->key_pem}).has_value());
  EXPECT_FALSE(CheckIdentity({identity->certificate_pem, "nonsense"}).has_value());
}

TEST(Certificate, RefusesNamesThatAreNone) {
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("A"), std::string("a,DNS:b"),
        std::string("x\0y", 3), std::string(64, 'a')}) {
    EXPECT_FALSE(MakeTlsIdentity(name).has_value()) << name;
  }
  EXPECT_TRUE(MakeTlsIdentity(std::string(63, 'a')).has_value());
}

TEST(Certificate, OnlyTheValidatorsKeyVouches) {
  const auto key = *proto::SecretKey::From(proto::Bytes(32, 7));
  const auto other = *proto::SecretKey::From(proto::Bytes(32, 8));
  const auto a = *MakeTlsIdentity("a");
  const auto b = *MakeTlsIdentity("a");
  const auto signature = key.Sign(proto::CertificateDigest(a.certificate_pem));
  EXPECT_TRUE(Vouches(key.public_key(), a.certificate_pem, signature));
  EXPECT_FALSE(Vouches(other.public_key(), a.certificate_pem, signature));
  EXPECT_FALSE(Vouches(key.public_key(), b.certificate_pem, signature));
}

TEST(Certificate, PinsOnlyWhatCannotIssueOthers) {
  const auto root = *MakeTlsIdentity("a");
  EXPECT_EQ(Refusal(Issue({.name = "a"})), "accepted as a");
  EXPECT_EQ(Refusal(Issue({.name = "a", .constraints = "critical,CA:TRUE"})),
            "The TLS certificate does not say CA:FALSE.");
  EXPECT_EQ(Refusal(Issue({.name = "a", .constraints = ""})),
            "The TLS certificate does not say CA:FALSE.");
  EXPECT_EQ(Refusal(Issue({.name = "a", .alternative_names = "DNS:a,DNS:b"})),
            "The TLS certificate does not have exactly one DNS name.");
  EXPECT_EQ(Refusal(Issue({.name = "a", .alternative_names = "IP:127.0.0.1"})),
            "The TLS certificate does not have exactly one DNS name.");
  EXPECT_EQ(Refusal(Issue({.name = "a", .alternative_names = "DNS:*"})),
            "The TLS certificate has a name with characters other than a-z, 0-9, '.', '-'.");
  // Two certificates in one text would be two roots.
  EXPECT_EQ(Refusal(Issue({.name = "a", .issuer = &root})),
            "The TLS certificate is not exactly one certificate in canonical PEM.");
  TlsIdentity issued = Issue({.name = "a", .issuer = &root});
  issued.certificate_pem.resize(issued.certificate_pem.size() - root.certificate_pem.size());
  EXPECT_EQ(Refusal(issued), "The TLS certificate is not signed by its own key.");
}

TEST(Certificate, RefusesTextThatIsNotOneCanonicalCertificate) {
  const auto identity = *MakeTlsIdentity("a");
  const std::string& pem = identity.certificate_pem;
  for (const std::string& text :
       {std::string(), pem.substr(0, pem.size() / 2), pem + "\n", " " + pem, pem + pem,
        "note\n" + pem, identity.key_pem, std::string(100000, 'x')}) {
    EXPECT_FALSE(CheckCertificate(text).has_value()) << text;
  }
  for (std::size_t i = 0; i < pem.size(); i += 5) {  // No damaged one is taken.
    std::string damaged = pem;
    damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(CheckCertificate(damaged).has_value()) << i;
  }
}

}  // namespace
}  // namespace node
