#include "ppspp/swarm_metadata.h"

#include <doctest/doctest.h>

#include "support/hex.h"

namespace ppspp {
namespace {

using test::hex;

SwarmId id_of_size(std::size_t size) {
  return SwarmId(std::vector<std::byte>(size, std::byte{7}));
}

// A key in DNSKEY form: algorithm number, then the key.
SwarmId key_of(unsigned algorithm, std::size_t key_size) {
  std::vector<std::byte> octets(1 + key_size, std::byte{7});
  octets[0] = static_cast<std::byte>(algorithm);
  return SwarmId(octets);
}

SwarmId rsa_key(unsigned algorithm, std::string_view exponent, std::size_t modulus_size) {
  std::vector<std::byte> octets = hex(exponent);
  octets.insert(octets.begin(), static_cast<std::byte>(algorithm));
  octets.resize(octets.size() + modulus_size, std::byte{0xc1});
  return SwarmId(octets);
}

SwarmMetadata static_swarm() {
  SwarmMetadata swarm;
  swarm.id = id_of_size(32);
  return swarm;
}

SwarmMetadata live_swarm() {
  SwarmMetadata swarm;
  swarm.id = key_of(13, 64);
  swarm.live = true;
  swarm.integrity = IntegrityMethod::unified_merkle;
  return swarm;
}

// The line says `hint`, that is, what to do.
void check_refused(const SwarmMetadata& swarm, std::string_view hint,
                   Errc code = Errc::invalid_argument) {
  CAPTURE(hint);
  const auto valid = swarm.validate();
  REQUIRE_FALSE(valid);
  CHECK(valid.error().code == code);
  CAPTURE(valid.error().context);
  CHECK(valid.error().context.find(hint) != std::string::npos);
  CHECK(valid.error().context.find('\n') == std::string::npos);
}

TEST_SUITE("metadata/swarm_metadata") {
  TEST_CASE("the defaults are those of Table 8 (11.1.6 #266)") {
    const SwarmMetadata swarm;
    CHECK(swarm.chunk_size == 1024);
    CHECK(swarm.addressing == ChunkAddressing::chunk32);
    CHECK(swarm.integrity == IntegrityMethod::merkle);
    CHECK(swarm.hash == HashFunction::sha256);
    CHECK(static_swarm().validate());
    CHECK(live_swarm().validate());
  }

  TEST_CASE("names are those of URLs and options, and come back as what they name") {
    for (int value = 0; value <= 3; ++value) {
      const auto method = static_cast<IntegrityMethod>(value);
      CHECK(parse_integrity_method(to_string(method)) == method);
    }
    for (int value = 0; value <= 4; ++value) {
      const auto addressing = static_cast<ChunkAddressing>(value);
      CHECK(parse_chunk_addressing(to_string(addressing)) == addressing);
      const auto function = static_cast<HashFunction>(value);
      CHECK(parse_hash_function(to_string(function)) == function);
    }
    CHECK(to_string(IntegrityMethod::unified_merkle) == "unified-merkle");
    CHECK(to_string(IntegrityMethod::sign_all) == "sign-all");
    CHECK(to_string(ChunkAddressing::bin32) == "bin32");
    CHECK(to_string(ChunkAddressing::byte64) == "byte64");
    CHECK(to_string(HashFunction::sha384) == "sha384");
    CHECK_FALSE(parse_integrity_method("Merkle"));
    CHECK_FALSE(parse_integrity_method("unknown"));
    CHECK_FALSE(parse_chunk_addressing(""));
    CHECK_FALSE(parse_chunk_addressing("unknown"));
    CHECK_FALSE(parse_hash_function("sha3"));
  }

  TEST_CASE("the numbers of methods and functions are the wire's (7.5 #213, 7.6 #214, 7.8)") {
    CHECK(static_cast<int>(IntegrityMethod::merkle) == 1);
    CHECK(static_cast<int>(IntegrityMethod::unified_merkle) == 3);
    CHECK(static_cast<int>(HashFunction::sha1) == 0);
    CHECK(static_cast<int>(HashFunction::sha512) == 4);
    CHECK(static_cast<int>(ChunkAddressing::chunk32) == 2);
    CHECK(static_cast<int>(ChunkAddressing::chunk64) == 4);
  }

  TEST_CASE("chunk sizes from 512 to 65000 are accepted (8.1 #233)") {
    for (const std::uint32_t size : {512u, 1000u, 1024u, 8192u, 65'000u}) {
      auto swarm = static_swarm();
      swarm.chunk_size = size;
      CHECK(swarm.validate());
    }
    for (const std::uint32_t size : {0u, 1u, 511u, 65'001u, 0xffff'fffeu}) {
      auto swarm = static_swarm();
      swarm.chunk_size = size;
      check_refused(swarm, "give 512 to 65000");
    }
  }

  TEST_CASE("variable chunk sizes are refused as not supported (7.11 #225)") {
    auto swarm = static_swarm();
    swarm.chunk_size = 0xffff'ffff;
    check_refused(swarm, "give one chunk size", Errc::not_supported);
  }

  TEST_CASE("the ID of a Merkle swarm has the length of its hash (errata 4724)") {
    for (const HashFunction function : kHashFunctions) {
      auto swarm = static_swarm();
      swarm.hash = function;
      swarm.id = id_of_size(digest_size(function));
      CHECK(swarm.validate());
    }
    auto swarm = static_swarm();
    swarm.id = id_of_size(20);
    check_refused(swarm, "use sha1");
    swarm.id = id_of_size(31);
    check_refused(swarm, "check the ID");
    swarm.id = {};
    check_refused(swarm, "the swarm ID is missing");
  }

  TEST_CASE("without protection the ID has the length of any hash") {
    auto swarm = static_swarm();
    swarm.integrity = IntegrityMethod::none;
    for (const std::size_t size : {20u, 28u, 32u, 48u, 64u}) {
      swarm.id = id_of_size(size);
      CHECK(swarm.validate());
    }
    for (const std::size_t size : {1u, 19u, 33u, 65u}) {
      swarm.id = id_of_size(size);
      check_refused(swarm, "check the ID");
    }
  }

  TEST_CASE("static content is not signed, and live content is") {
    auto swarm = static_swarm();
    swarm.integrity = IntegrityMethod::sign_all;
    check_refused(swarm, "use merkle");
    swarm.integrity = IntegrityMethod::unified_merkle;
    check_refused(swarm, "use merkle");

    auto live = live_swarm();
    live.integrity = IntegrityMethod::sign_all;
    CHECK(live.validate());
    live.integrity = IntegrityMethod::merkle;
    check_refused(live, "use unified-merkle");
    live.integrity = IntegrityMethod::none;
    check_refused(live, "use unified-merkle");
  }

  TEST_CASE("the ID of a live swarm is a key in DNSKEY form (6.1 #124, #125)") {
    auto live = live_swarm();
    for (const auto& id : {key_of(13, 64), key_of(14, 96), key_of(15, 32),
                           rsa_key(5, "03 010001", 256), rsa_key(8, "03 010001", 512)}) {
      live.id = id;
      CHECK(live.validate());
    }
    for (const auto& id : {id_of_size(32), key_of(13, 63), key_of(13, 65), key_of(14, 64),
                           key_of(15, 33), key_of(8, 0), key_of(0, 64), key_of(16, 57)}) {
      live.id = id;
      check_refused(live, "public key");
    }
  }

  TEST_CASE("a live swarm's RSA key has 2048 to 4096 bits, and a line says how many it has") {
    auto live = live_swarm();
    live.id = rsa_key(8, "03 010001", 128);
    check_refused(live, "RSA key of 1024 bits, where 2048 to 4096 are allowed: check the ID");
    live.id = rsa_key(5, "03 010001", 513);
    check_refused(live, "RSA key of 4104 bits");
    live.id = rsa_key(8, "03 010000", 256);
    check_refused(live, "no RSA key that is safe");
  }

  TEST_CASE("the length of a signature follows from the key (8.9 #145)") {
    CHECK(signature_size(key_of(13, 64)) == 64);
    CHECK(signature_size(key_of(14, 96)) == 96);
    CHECK(signature_size(key_of(15, 32)) == 64);
    CHECK(signature_size(rsa_key(5, "03 010001", 512)) == 512);
    CHECK(signature_size(rsa_key(8, "01 03", 256)) == 256);
    CHECK(signature_size(rsa_key(8, "00 0003 010001", 256)) == 256);  // RFC 3110: long form
  }

  TEST_CASE("a key that is cut short or senseless has no signatures") {
    CHECK(signature_size(SwarmId()) == 0);
    CHECK(signature_size(SwarmId(hex("08"))) == 0);
    CHECK(signature_size(SwarmId(hex("08 03 0100"))) == 0);
    CHECK(signature_size(SwarmId(hex("08 00 00"))) == 0);
    CHECK(signature_size(rsa_key(8, "00 0000", 256)) == 0);       // no exponent
    CHECK(signature_size(rsa_key(8, "03 010001", 0)) == 0);       // no modulus
    CHECK(signature_size(rsa_key(8, "03 010001", 255)) == 0);     // shorter than 2048 bits
    CHECK(signature_size(rsa_key(8, "03 010001", 513)) == 0);     // longer than 4096 bits
    CHECK(signature_size(rsa_key(8, "03 010001 00", 256)) == 0);  // a zero in front
    CHECK(signature_size(rsa_key(10, "03 010001", 256)) == 0);  // an algorithm that is not offered
  }

  TEST_CASE("empty content is refused") {
    auto swarm = static_swarm();
    swarm.content_length = 1;
    CHECK(swarm.validate());
    swarm.content_length = 0;
    check_refused(swarm, "at least 1 byte");
  }

  TEST_CASE("content has no more chunks than the addressing can name") {
    struct Case {
      ChunkAddressing addressing;
      std::uint64_t longest;
    };
    for (const Case& c : {Case{ChunkAddressing::bin32, 1024ull << 31},
                          Case{ChunkAddressing::chunk32, 1024ull << 32}}) {
      auto swarm = static_swarm();
      swarm.addressing = c.addressing;
      swarm.content_length = c.longest;
      CHECK(swarm.validate());
      swarm.content_length = c.longest + 1;
      check_refused(swarm, "use chunk64");
    }
    for (const auto addressing :
         {ChunkAddressing::byte64, ChunkAddressing::bin64, ChunkAddressing::chunk64}) {
      auto swarm = static_swarm();
      swarm.addressing = addressing;
      swarm.content_length = ~std::uint64_t{0};
      CHECK(swarm.validate());
    }
  }

  TEST_CASE("the number of chunks that an addressing can name") {
    CHECK(max_chunk_count(ChunkAddressing::bin32, 1024) == std::uint64_t{1} << 31);
    CHECK(max_chunk_count(ChunkAddressing::chunk32, 1024) == std::uint64_t{1} << 32);
    CHECK(max_chunk_count(ChunkAddressing::bin64, 1024) == std::uint64_t{1} << 63);
    CHECK(max_chunk_count(ChunkAddressing::chunk64, 1024) == std::uint64_t{1} << 63);
    CHECK(max_chunk_count(ChunkAddressing::byte64, 1024) == std::uint64_t{1} << 54);
    CHECK(max_chunk_count(ChunkAddressing::byte64, 1000) == ~std::uint64_t{0} / 1000);
    CHECK(max_chunk_count(ChunkAddressing::byte64, 3) == ~std::uint64_t{0} / 3);
    CHECK(max_chunk_count(ChunkAddressing::byte64, 2) == std::uint64_t{1} << 63);
    CHECK(max_chunk_count(ChunkAddressing::byte64, 1) == std::uint64_t{1} << 63);
    CHECK(max_chunk_count(ChunkAddressing::byte64, 0) == 0);
  }

  TEST_CASE("chunks per signature are a power of two, 2 to 65,536 (6.1.2.1 #129, #130)") {
    auto live = live_swarm();
    for (const std::uint32_t count : {2u, 16u, 65'536u}) {
      live.chunks_per_signature = count;
      CHECK(live.validate());
    }
    for (const std::uint32_t count : {0u, 1u, 3u, 48u, 131'072u, 0x8000'0000u, 0xffff'ffffu}) {
      live.chunks_per_signature = count;
      check_refused(live, "power of two");
    }
    auto swarm = static_swarm();
    swarm.chunks_per_signature = 16;
    check_refused(swarm, "leave out");
  }

  TEST_CASE("a live swarm has no content length") {
    auto live = live_swarm();
    live.content_length = 1000;
    check_refused(live, "leave it out");
  }
}

}  // namespace
}  // namespace ppspp
