#include "ppspp/key_file.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>

#include "files/whole_file.h"
#include "files_support.h"
#include "support/hex.h"
#include "support/seed.h"

using namespace ppspp;
using namespace ppspp::test;

namespace {

// The umask while it lives.
class Umask {
 public:
  explicit Umask(mode_t mask) : before_(umask(mask)) {}
  ~Umask() { umask(before_); }

 private:
  mode_t before_;
};

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status;
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

KeyFile open_key(const std::filesystem::path& path,
                 std::optional<SignatureAlgorithm> algorithm = {}) {
  auto file = open_key_file(path, algorithm);
  if (!file) FAIL(file.error().context);
  return std::move(*file);
}

std::string id_of(const KeyFile& file) {
  return to_hex(file.key.dnskey());
}

std::size_t files_in(const std::filesystem::path& directory) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(directory), {}));
}

void write_text(const std::filesystem::path& path, std::string_view text, mode_t mode = 0600) {
  write_file(path, std::as_bytes(std::span(text)));
  REQUIRE(chmod(path.c_str(), mode) == 0);
}

void check_refused(const std::filesystem::path& path, Errc code, std::string_view hint,
                   std::optional<SignatureAlgorithm> algorithm = {}) {
  const auto file = open_key_file(path, algorithm);
  REQUIRE_FALSE(file);
  CAPTURE(file.error().context);
  CHECK(file.error().code == code);
  CHECK(mentions(file.error().context, hint));
  CHECK(mentions(file.error().context, path.string()));
  CHECK_FALSE(mentions(file.error().context, "\n"));
}

// Runs `work` in a process of its own; its result is the exit status.
template <typename Work>
pid_t start(Work work) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) _exit(work());
  return child;
}

int wait_for(pid_t child) {
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_SUITE("files/key_file") {
  TEST_CASE("a key is made where there is none, for its owner only, and is the same ever after") {
    for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
      for (const mode_t mask : {0u, 022u, 0777u}) {
        CAPTURE(to_string(algorithm));
        CAPTURE(mask);
        const TemporaryDirectory directory;
        const Umask umask(mask);
        const KeyFile made = open_key(directory / "feed.pem", algorithm);
        CHECK(made.created);
        CHECK(made.key.algorithm() == algorithm);
        CHECK(mode_of(directory / "feed.pem") == 0600);
        CHECK(files_in(directory.path()) == 1);
        const KeyFile again = open_key(directory / "feed.pem", algorithm);
        CHECK_FALSE(again.created);
        CHECK(id_of(again) == id_of(made));
      }
    }
  }

  TEST_CASE("without a wish for an algorithm the key is for ECDSAP256SHA256, the default (7.7)") {
    const TemporaryDirectory directory;
    CHECK(open_key(directory / "feed.pem").key.algorithm() == SignatureAlgorithm::ecdsap256sha256);
    CHECK(id_of(open_key(directory / "feed.pem")).starts_with("0d"));
  }

  TEST_CASE("an existing key has to be for the algorithm that is asked for") {
    const TemporaryDirectory directory;
    const auto path = directory / "feed.pem";
    const KeyFile made = open_key(path, SignatureAlgorithm::ed25519);
    CHECK(id_of(open_key(path)) == id_of(made));
    check_refused(path, Errc::invalid_argument, "for ed25519, not for rsasha1",
                  SignatureAlgorithm::rsasha1);
    const auto rsa = directory / "rsa.pem";
    open_key(rsa, SignatureAlgorithm::rsasha1);
    CHECK(open_key(rsa).key.algorithm() == SignatureAlgorithm::rsasha256);
    CHECK(open_key(rsa, SignatureAlgorithm::rsasha1).key.algorithm() ==
          SignatureAlgorithm::rsasha1);
  }

  TEST_CASE("a key that others may read, write or run is refused, and a line says what to do") {
    const TemporaryDirectory directory;
    const auto path = directory / "feed.pem";
    const KeyFile made = open_key(path);
    for (const mode_t mode : {0640u, 0604u, 0620u, 0602u, 0610u, 0601u, 0644u, 0666u}) {
      CAPTURE(mode);
      REQUIRE(chmod(path.c_str(), mode) == 0);
      check_refused(path, Errc::invalid_argument, "`chmod 600 " + path.string() + "`");
    }
    for (const mode_t mode : {0600u, 0400u, 0700u}) {
      REQUIRE(chmod(path.c_str(), mode) == 0);
      CHECK(id_of(open_key(path)) == id_of(made));
    }
  }

  TEST_CASE("what is no key is refused, named, and left as it is") {
    const TemporaryDirectory directory;
    const auto path = directory / "feed.pem";
    for (const std::string& text :
         {std::string(), std::string("not a key\n"), std::string(1'000'000, 'A')}) {
      write_text(path, text);
      check_refused(path, Errc::invalid_argument, "no private key in PEM");
      CHECK(read_file(path).size() == text.size());
    }
    const std::string pem = SigningKey::generate(SignatureAlgorithm::ed25519)->to_pem();
    write_text(path, std::string_view(pem).substr(0, pem.size() / 2));
    check_refused(path, Errc::invalid_argument, "damaged");
    check_refused(directory.path(), Errc::invalid_argument, "not a regular file");
    REQUIRE(mkfifo((directory / "fifo").c_str(), 0600) == 0);
    check_refused(directory / "fifo", Errc::invalid_argument, "not a regular file");
    check_refused(directory / "none" / "feed.pem", Errc::not_found, "cannot create");
  }

  TEST_CASE("a link to a key is followed, one that leads nowhere is refused") {
    const TemporaryDirectory directory;
    const KeyFile made = open_key(directory / "feed.pem");
    std::filesystem::create_symlink("feed.pem", directory / "link");
    CHECK(id_of(open_key(directory / "link")) == id_of(made));
    std::filesystem::create_symlink("nowhere", directory / "dangling");
    check_refused(directory / "dangling", Errc::not_found, "cannot open");
    CHECK_FALSE(std::filesystem::exists(directory / "nowhere"));
    CHECK(files_in(directory.path()) == 3);
  }

  TEST_CASE("nothing is ever overwritten, not even what appears at the last moment") {
    const TemporaryDirectory directory;
    write_text(directory / "there", "old");
    const auto made = create_whole_file(directory / "there", "new");
    REQUIRE_FALSE(made);
    CHECK(made.error().code == Errc::exists);
    CHECK(read_file(directory / "there").size() == 3);
    CHECK(files_in(directory.path()) == 1);
  }

  TEST_CASE("of processes that make a key at once, one makes it and all have the same") {
    for (int round = 0; round < 5; ++round) {
      const TemporaryDirectory directory;
      const auto path = directory / "feed.pem";
      std::vector<pid_t> children;
      for (int i = 0; i < 8; ++i) {
        children.push_back(start([&] {
          const auto file = open_key_file(path, SignatureAlgorithm::ed25519);
          if (!file) return 1;
          const std::string id = id_of(*file);
          const auto name = directory.path() / ("id" + std::to_string(getpid()));
          write_file(name, std::as_bytes(std::span(id)));
          return file->created ? 10 : 20;
        }));
      }
      int created = 0;
      for (const pid_t child : children) {
        const int status = wait_for(child);
        CHECK((status == 10 || status == 20));
        created += status == 10 ? 1 : 0;
        const auto told = read_file(directory.path() / ("id" + std::to_string(child)));
        const std::string id = id_of(open_key(path));
        CHECK(std::ranges::equal(told, std::as_bytes(std::span(id))));
      }
      CHECK(created == 1);
      CHECK(files_in(directory.path()) == 9);
    }
  }

  TEST_CASE("a process that is killed leaves a whole key or none") {
    Rng rng(seed());
    int whole = 0;
    for (int round = 0; round < 40; ++round) {
      const TemporaryDirectory directory;
      const pid_t child = start([&] {
        for (int i = 0;; ++i) {
          const auto path = directory.path() / ("key" + std::to_string(i));
          if (!open_key_file(path, SignatureAlgorithm::ed25519)) return 1;
        }
      });
      usleep(static_cast<useconds_t>(rng.below(20'000)));
      kill(child, SIGKILL);
      CHECK(wait_for(child) == -1);
      for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
        if (mentions(entry.path().filename().string(), ".new-")) continue;
        ++whole;
        CHECK(mode_of(entry.path()) == 0600);
        CHECK_FALSE(open_key(entry.path()).created);
      }
      open_key(directory / "another");  // what was left is in nobody's way
    }
    CHECK(whole > 0);
  }

  TEST_CASE("on a full disk no key is made, and nothing is left of it") {
    const SmallDisk disk("size=64k");
    if (!disk.is_mounted()) return;
    std::ofstream filler(disk / "filler", std::ios::binary);
    filler << std::string(200'000, 'x') << std::flush;
    check_refused(disk / "feed.pem", Errc::no_space, "cannot create");
    filler.close();
    CHECK(files_in(disk.path()) == 1);
    std::filesystem::remove(disk / "filler");
    CHECK(open_key(disk / "feed.pem").created);
  }
}
