// The service over real nodes on the loopback interface.
#include "service.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ppspp/random_source.h"
#include "support/seed.h"
#include "support/temporary_directory.h"

namespace ppspp::daemon {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using control::SwarmInfo;
using control::SwarmState;

struct World {
  ~World() { services.clear(); }

  Config config(const std::string& name) const {
    Config config;
    config.node.listen = {TransportAddress::v4(0x7f000001, 0)};
    config.discovery.local = false;
    config.state.directory = directory / name;
    return config;
  }

  Service& start(const std::string& name) { return start(config(name)); }
  Service& start(const Config& config) {
    auto service = Service::start(io, config, {});
    REQUIRE_MESSAGE(service, (service ? "" : service.error().context));
    services.push_back(*std::move(service));
    return *services.back();
  }
  // As a daemon does when it is told to end.
  void stop(Service& service) {
    bool stopped = false;
    service.stop([&] { stopped = true; });
    REQUIRE(run_until([&] { return stopped; }));
    std::erase_if(services, [&](const auto& one) { return one.get() == &service; });
  }

  template <typename Condition>
  bool run_until(Condition condition, std::chrono::seconds limit = 60s) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      io.restart();
      io.run_one_for(20ms);
    }
    return condition();
  }

  template <typename T, typename Ask>
  Result<T> wait(Ask ask) {
    std::optional<Result<T>> result;
    ask([&](Result<T> done) { result = std::move(done); });
    REQUIRE(run_until([&] { return result.has_value(); }));
    return *result;
  }

  Result<SwarmInfo> add(Service& service, const control::AddRequest& request) {
    return wait<SwarmInfo>([&](auto done) { service.add(request, done); });
  }
  Result<SwarmInfo> add_file(Service& service, const std::string& name) {
    control::AddRequest request;
    request.file = control::AddFile{.path = (directory / name).string()};
    return add(service, request);
  }
  SwarmInfo seed(Service& service, const std::string& name) {
    const auto added = add_file(service, name);
    REQUIRE_MESSAGE(added, (added ? "" : added.error().context));
    return reach(service, added->number, SwarmState::seeding);
  }
  control::AddRequest url_of(Service& from, const SwarmInfo& swarm, const std::string& output) {
    control::AddRequest request;
    request.url = control::AddUrl{.url = swarm.url, .output = (directory / output).string()};
    request.peers = {from.daemon_info().listen.front()};
    return request;
  }

  static std::string ref(std::uint64_t number) { return std::to_string(number); }
  SwarmInfo reach(Service& service, std::uint64_t number, SwarmState state) {
    const bool reached = run_until([&] {
      const auto info = service.info(ref(number));
      return info && info->state == state;
    });
    const auto info = service.info(ref(number));
    REQUIRE(info);
    REQUIRE_MESSAGE(reached, control::to_string(info->state), " ", info->error);
    return *info;
  }

  std::string write(const std::string& name, std::size_t size) {
    Rng random(test::seed() + ++written);
    std::string content(size, '\0');
    for (char& octet : content) octet = static_cast<char>(random.next_u64());
    std::ofstream(directory / name, std::ios::binary) << content;
    return content;
  }
  std::string read(const std::string& name) const {
    std::ifstream file(directory / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  asio::io_context io;
  test::TemporaryDirectory directory;
  std::vector<std::unique_ptr<Service>> services;
  std::uint64_t written = 0;
};

TEST_CASE("a file is added, listed, fetched by another daemon, and is there after a restart") {
  World world;
  const std::string content = world.write("file", 300'000);
  Service& seeder = world.start("seeder");
  const SwarmInfo swarm = world.seed(seeder, "file");
  CHECK(swarm.number == 1);
  CHECK(swarm.length == 300'000);
  CHECK(swarm.verified == 300'000);
  CHECK(swarm.completed_at.has_value());
  CHECK(seeder.list(control::SwarmQuery{}).total == 1);
  CHECK(seeder.info(swarm.id.substr(0, 6))->number == 1);

  Service& getter = world.start("getter");
  const auto added = world.add(getter, world.url_of(seeder, swarm, "copy"));
  REQUIRE_MESSAGE(added, (added ? "" : added.error().context));
  CHECK(added->id == swarm.id);
  const SwarmInfo copy = world.reach(getter, added->number, SwarmState::seeding);
  CHECK(world.read("copy") == content);
  CHECK(copy.downloaded >= content.size());
  CHECK(seeder.info("1")->uploaded >= content.size());

  world.stop(getter);
  world.stop(seeder);
  Service& again = world.start("getter");
  const auto after = again.info(swarm.id);
  REQUIRE(after);
  CHECK(after->state == SwarmState::seeding);
  CHECK(after->sleeping);
  CHECK(after->downloaded >= content.size());
  CHECK(after->completed_at == copy.completed_at);
  Service& third = world.start("third");
  const auto last = world.add(third, world.url_of(again, *after, "second copy"));
  REQUIRE(last);
  world.reach(third, last->number, SwarmState::seeding);
  CHECK(world.read("second copy") == content);
}

TEST_CASE("what is paused is served again when it is resumed, also over a restart") {
  World world;
  world.write("file", 50'000);
  Service* seeder = &world.start("seeder");
  const SwarmInfo swarm = world.seed(*seeder, "file");
  REQUIRE(world.wait<SwarmInfo>([&](auto done) { seeder->pause("1", done); }));
  CHECK(seeder->info("1")->state == SwarmState::paused);
  world.stop(*seeder);
  seeder = &world.start("seeder");
  CHECK(seeder->info("1")->state == SwarmState::paused);
  Service& getter = world.start("getter");
  const auto added = world.add(getter, world.url_of(*seeder, swarm, "copy"));
  REQUIRE(added);
  world.run_until([] { return false; }, 1s);
  CHECK(getter.info("1")->verified == 0);
  REQUIRE(world.wait<SwarmInfo>([&](auto done) { seeder->resume("1", done); }));
  const std::string address = seeder->daemon_info().listen.front();
  REQUIRE(world.wait<void>([&](auto done) { getter.add_peer("1", address, done); }));
  world.reach(getter, 1, SwarmState::seeding);
  CHECK(world.read("copy") == world.read("file"));
}

TEST_CASE("controlled release: nothing is served before its time") {
  World world;
  world.write("file", 50'000);
  Service& seeder = world.start("seeder");
  control::AddRequest request;
  request.file = control::AddFile{.path = (world.directory / "file").string()};
  const auto now = [] {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  request.opens_at = now() + 3'600;
  REQUIRE(world.add(seeder, request));
  const SwarmInfo swarm = world.reach(seeder, 1, SwarmState::scheduled);
  CHECK(!swarm.id.empty());
  CHECK(seeder.snapshot().node.swarms == 0);
  CHECK(!seeder.open(*SwarmUrl::parse(swarm.url)));
  const std::int64_t opens = now() + 2;
  REQUIRE(world.wait<SwarmInfo>(
      [&](auto done) { seeder.change("1", control::ChangeRequest{.opens_at = opens}, done); }));
  CHECK(seeder.info("1")->state == SwarmState::scheduled);
  world.reach(seeder, 1, SwarmState::seeding);
  CHECK(now() >= opens);
}

TEST_CASE("removal deletes what the daemon fetched if asked to, and never what was there") {
  World world;
  world.write("file", 50'000);
  Service& seeder = world.start("seeder");
  const SwarmInfo swarm = world.seed(seeder, "file");
  const auto refused = world.wait<void>([&](auto done) { seeder.remove("1", true, done); });
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::invalid_argument);

  Service& getter = world.start("getter");
  REQUIRE(world.add(getter, world.url_of(seeder, swarm, "copy")));
  world.reach(getter, 1, SwarmState::seeding);
  CHECK(fs::exists(world.directory / "getter/trees/1.tree"));
  REQUIRE(world.wait<void>([&](auto done) { getter.remove("1", true, done); }));
  CHECK(!fs::exists(world.directory / "copy"));
  CHECK(!fs::exists(world.directory / "getter/trees/1.tree"));
  CHECK(getter.list(control::SwarmQuery{}).total == 0);
  // The number is not used again.
  REQUIRE(world.add(getter, world.url_of(seeder, swarm, "copy")));
  CHECK(getter.info("2"));

  REQUIRE(world.wait<void>([&](auto done) { seeder.remove("1", false, done); }));
  CHECK(fs::exists(world.directory / "file"));
  CHECK(seeder.info("1").error().code == Errc::not_found);
}

TEST_CASE("the same content or file twice is one swarm") {
  World world;
  world.write("file", 20'000);
  fs::copy(world.directory / "file", world.directory / "twin");
  fs::create_symlink(world.directory / "file", world.directory / "link");
  Service& service = world.start("daemon");
  const SwarmInfo swarm = world.seed(service, "file");
  CHECK(world.add_file(service, "file").error().code == Errc::exists);
  CHECK(world.add_file(service, "link").error().code == Errc::exists);
  REQUIRE(world.add_file(service, "twin"));
  const SwarmInfo twin = world.reach(service, 2, SwarmState::failed);
  CHECK(!twin.error.empty());
  CHECK(service.info("1")->state == SwarmState::seeding);
  CHECK(world.add(service, world.url_of(service, swarm, "copy")).error().code == Errc::exists);
}

TEST_CASE("a file that was removed while it was hashed can be added again at once") {
  World world;
  world.write("file", 3'000'000);
  Service& service = world.start("daemon");
  std::uint64_t number = 0;
  for (int i = 0; i < 6; ++i) {
    const auto added = world.add_file(service, "file");
    REQUIRE_MESSAGE(added, (added ? "" : added.error().context));
    number = added->number;
    if (i == 5) break;
    const std::string ref = World::ref(number);
    REQUIRE(world.wait<void>([&](auto done) { service.remove(ref, false, done); }));
  }
  world.reach(service, number, SwarmState::seeding);
  CHECK(service.list(control::SwarmQuery{}).total == 1);
}

TEST_CASE("hashing ends when its swarm is paused or removed, and makes room for others") {
  World world;
  for (const char* name : {"large", "huge"}) {  // of holes: minutes of work, and no room
    world.write(name, 1);
    fs::resize_file(world.directory / name, std::uint64_t{256} << 30);
  }
  world.write("small", 5'000);
  Service* service = &world.start("daemon");
  const auto hash = [&](const std::string& name) {
    control::AddRequest request;
    request.file =
        control::AddFile{.path = (world.directory / name).string(), .chunk_size = 65'000};
    const auto added = world.add(*service, request);
    REQUIRE_MESSAGE(added, (added ? "" : added.error().context));
    return added->number;
  };
  const auto is_at_it = [&](std::uint64_t number) {
    const auto info = service->info(World::ref(number));
    return info->state == SwarmState::hashing && info->verified > 0;
  };
  const std::uint64_t large = hash("large"), huge = hash("huge"), small = hash("small");
  REQUIRE(world.run_until([&] { return is_at_it(large) && is_at_it(huge); }));
  CHECK(service->info(World::ref(small))->state == SwarmState::hashing);  // two at a time
  const std::string ref = World::ref(large);
  REQUIRE(world.wait<SwarmInfo>([&](auto done) { service->pause(ref, done); }));
  world.reach(*service, small, SwarmState::seeding);
  CHECK(service->info(ref)->state == SwarmState::paused);
  CHECK(service->info(ref)->id.empty());

  REQUIRE(world.wait<SwarmInfo>([&](auto done) { service->resume(ref, done); }));
  REQUIRE(world.run_until([&] { return is_at_it(large); }));
  REQUIRE(world.wait<SwarmInfo>([&](auto done) { service->pause(ref, done); }));
  REQUIRE(world.wait<void>([&](auto done) { service->remove(World::ref(huge), false, done); }));
  world.stop(*service);
  service = &world.start("daemon");
  CHECK(service->info(ref)->state == SwarmState::paused);
  // Each would take minutes.
  for (int i = 0; i < 5; ++i) {
    REQUIRE(world.wait<SwarmInfo>([&](auto done) { service->resume(ref, done); }));
    REQUIRE(world.run_until([&] { return is_at_it(large); }));
    REQUIRE(world.wait<SwarmInfo>([&](auto done) { service->pause(ref, done); }));
  }
  REQUIRE(world.wait<SwarmInfo>([&](auto done) { service->resume(ref, done); }));
  REQUIRE(world.run_until([&] { return is_at_it(large); }));
  world.stop(*service);
}

TEST_CASE("what was added as paused is not hashed before it is resumed") {
  World world;
  world.write("file", 5'000);
  Service& service = world.start("daemon");
  control::AddRequest request;
  request.file = control::AddFile{.path = (world.directory / "file").string()};
  request.paused = true;
  const auto added = world.add(service, request);
  REQUIRE(added);
  CHECK(added->state == SwarmState::paused);
  world.seed(service, world.write("other", 5'000).empty() ? "" : "other");
  CHECK(service.info("1")->id.empty());
  REQUIRE(world.wait<SwarmInfo>([&](auto done) { service.resume("1", done); }));
  CHECK(!world.reach(service, 1, SwarmState::seeding).id.empty());
}

TEST_CASE("a download that was interrupted is opening until what is there was looked at") {
  World world;
  world.write("file", 500'000);
  Service& seeder = world.start("seeder");
  const SwarmInfo swarm = world.seed(seeder, "file");
  control::ChangeRequest slow;
  slow.limits = control::Limits{.upload = 20'000};
  REQUIRE(world.wait<SwarmInfo>([&](auto done) { seeder.change("1", slow, done); }));
  Service* getter = &world.start("getter");
  REQUIRE(world.add(*getter, world.url_of(seeder, swarm, "copy")));
  REQUIRE(world.run_until([&] { return getter->info("1")->verified > 0; }));
  CHECK(getter->info("1")->state == SwarmState::downloading);
  world.stop(*getter);
  // Whoever looks at it waits for us.
  const int held = open((world.directory / "copy.ppspp").c_str(), O_RDWR);
  REQUIRE(held >= 0);
  REQUIRE(flock(held, LOCK_EX) == 0);
  getter = &world.start("getter");
  CHECK(getter->info("1")->state == SwarmState::opening);
  close(held);
  world.reach(*getter, 1, SwarmState::downloading);
}

TEST_CASE("downloads without an output do not take more of the disk than they may") {
  World world;
  Service& seeder = world.start("seeder");
  std::vector<SwarmInfo> swarms;
  for (const char* name : {"one", "two", "three"}) {
    world.write(name, 100'000);
    swarms.push_back(world.seed(seeder, name));
  }
  Config config = world.config("getter");
  config.limits.disk = 150'000;
  Service& getter = world.start(config);
  const auto url_of = [&](std::size_t index) {
    control::AddRequest request = world.url_of(seeder, swarms[index], "");
    request.url->output.clear();
    return request;
  };
  REQUIRE(world.add(getter, url_of(0)));
  const auto second = world.add(getter, url_of(1));
  REQUIRE(!second);
  CHECK(second.error().code == Errc::no_space);
  CHECK(second.error().context.find("[limits]") != std::string::npos);
  // Where the user says so it may be.
  REQUIRE(world.add(getter, world.url_of(seeder, swarms[1], "elsewhere")));
  world.reach(getter, 1, SwarmState::seeding);
  CHECK(world.add(getter, url_of(2)).error().code == Errc::no_space);
  // Whose length is learnt from peers: then, while it comes.
  control::ChangeRequest slow;
  slow.limits = control::Limits{.upload = 10'000};
  REQUIRE(world.wait<SwarmInfo>([&](auto done) { seeder.change("3", slow, done); }));
  control::AddRequest unknown = url_of(2);
  SwarmUrl url = *SwarmUrl::parse(unknown.url->url);
  url.metadata.content_length.reset();
  unknown.url->url = url.to_string();
  const auto third = world.add(getter, unknown);
  REQUIRE_MESSAGE(third, (third ? "" : third.error().context));
  const SwarmInfo failed = world.reach(getter, third->number, SwarmState::failed);
  CHECK(failed.error.find("[limits]") != std::string::npos);
  config.limits.disk = 1'000'000;
  getter.reload(config);
  slow.limits = control::Limits{};
  REQUIRE(world.wait<SwarmInfo>([&](auto done) { seeder.change("3", slow, done); }));
  const std::string ref = World::ref(third->number);
  // Its file may still be being closed.
  CHECK(world.run_until([&] {
    if (getter.info(ref)->state == SwarmState::failed) {
      REQUIRE(world.wait<SwarmInfo>([&](auto done) { getter.resume(ref, done); }));
    }
    return getter.info(ref)->state == SwarmState::seeding;
  }));
}

TEST_CASE("what the daemon does not publish is refused with what does") {
  World world;
  world.write("file", 5'000);
  Service& service = world.start("daemon");
  control::AddRequest request;
  request.file = control::AddFile{.path = (world.directory / "file").string(), .integrity = "none"};
  const auto added = world.add(service, request);
  REQUIRE(!added);
  CHECK(added.error().code == Errc::not_supported);
  CHECK(added.error().context.find("ppspp-seed --integrity none") != std::string::npos);
}

TEST_CASE("a directory that has changed since is told, and served as it was") {
  World world;
  fs::create_directories(world.directory / "film");
  world.write("film/1.ts", 5'000);
  world.write("film/2.ts", 5'000);
  Service* service = &world.start("daemon");
  const SwarmInfo swarm = world.seed(*service, "film");
  const auto restart = [&] {
    world.stop(*service);
    service = &world.start("daemon");
  };
  const auto told = [&](const std::string& what) {
    return world.run_until([&] {
      const SwarmInfo info = *service->info("1");
      return info.state == SwarmState::seeding && info.error.find(what) != std::string::npos;
    });
  };
  restart();
  world.seed(*service, (world.write("other", 5'000), "other"));  // time passes
  CHECK(service->info("1")->error.empty());
  world.write("film/2.ts", 5'000);
  restart();
  CHECK(told("2.ts was written"));
  CHECK(service->info("1")->id == swarm.id);
  fs::remove(world.directory / "film/1.ts");
  restart();
  CHECK(told("1.ts is gone"));
  Service& getter = world.start("getter");
  REQUIRE(world.add(getter, world.url_of(*service, swarm, "copy")));
  world.reach(getter, 1, SwarmState::seeding);
}

TEST_CASE("a directory is one swarm, and is there after a restart") {
  World world;
  fs::create_directories(world.directory / "film/video");
  world.write("film/index.m3u8", 500);
  world.write("film/video/0001.ts", 70'000);
  Service* service = &world.start("daemon");
  const SwarmInfo swarm = world.seed(*service, "film");
  CHECK(swarm.kind == control::SwarmKind::directory);
  CHECK(swarm.length > 70'500);
  world.stop(*service);
  service = &world.start("daemon");
  CHECK(service->info("1")->id == swarm.id);
  CHECK(service->info("1")->state == SwarmState::seeding);
  Service& getter = world.start("getter");
  REQUIRE(world.add(getter, world.url_of(*service, swarm, "copy")));
  world.reach(getter, 1, SwarmState::seeding);
  REQUIRE(world.wait<void>([&](auto done) { service->remove("1", false, done); }));
  CHECK(fs::exists(world.directory / "film/video/0001.ts"));
  CHECK(fs::is_empty(world.directory / "daemon/bundles"));
}

TEST_CASE("lists are filtered and paged") {
  World world;
  Service& service = world.start("daemon");
  for (int i = 0; i < 7; ++i) {
    const std::string name = "file" + std::to_string(i);
    world.write(name, 1'000 + static_cast<std::size_t>(i));
    control::AddRequest request;
    request.file = control::AddFile{.path = (world.directory / name).string()};
    request.label = i % 2 == 0 ? "even" : "odd";
    REQUIRE(world.add(service, request));
  }
  control::SwarmQuery query;
  query.limit = 3;
  std::vector<std::uint64_t> numbers;
  for (int page = 0; page < 3; ++page) {
    const control::SwarmPage found = service.list(query);
    CHECK(found.total == 7);
    for (const SwarmInfo& swarm : found.swarms) numbers.push_back(swarm.number);
    CHECK(found.next.has_value() == (page < 2));
    query.after = found.next.value_or(0);
  }
  CHECK(numbers == std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7});
  CHECK(service.list({.label = "even"}).total == 4);
  CHECK(service.list({.text = "FILE3"}).total == 1);
  CHECK(service.list({.kind = control::SwarmKind::feed}).total == 0);
}

TEST_CASE("limits and bans are kept, and the configuration's hold when they are changed") {
  World world;
  Config config = world.config("daemon");
  config.limits.upload = 1'000'000;
  Service* service = &world.start(config);
  CHECK(service->limits().upload == 1'000'000);
  control::LimitsChange change;
  change.upload = std::optional<std::uint64_t>(500'000);
  REQUIRE(world.wait<control::GlobalLimits>([&](auto done) { service->set_limits(change, done); }));
  REQUIRE(world.wait<control::BanInfo>(
      [&](auto done) { service->ban({.network = "192.0.2.0/24", .reason = "test"}, done); }));
  world.stop(*service);
  service = &world.start(config);
  CHECK(service->limits().upload == 500'000);
  REQUIRE(service->bans().size() == 1);
  CHECK(service->bans()[0].reason == "test");
  REQUIRE(world.wait<void>([&](auto done) { service->unban("192.0.2.0/24", done); }));
  CHECK(service->bans().empty());
  config.limits.upload = 2'000'000;
  service->reload(config);
  CHECK(service->limits().upload == 2'000'000);
  ScheduleEntry always;
  always.name = "always";
  always.upload.emplace(std::uint64_t{30'000});
  config.schedule.push_back(always);
  service->reload(config);
  CHECK(service->limits().schedule == "always");
  CHECK(service->limits().upload == 2'000'000);
  CHECK(service->limits().upload_now == 30'000);
}

TEST_CASE("what a banned peer asks for it does not get") {
  World world;
  world.write("file", 20'000);
  Service& seeder = world.start("seeder");
  const SwarmInfo swarm = world.seed(seeder, "file");
  REQUIRE(world.wait<control::BanInfo>(
      [&](auto done) { seeder.ban({.network = "127.0.0.0/8"}, done); }));
  Service& getter = world.start("getter");
  REQUIRE(world.add(getter, world.url_of(seeder, swarm, "copy")));
  world.run_until([] { return false; }, 1s);
  CHECK(getter.info("1")->verified == 0);
  CHECK(seeder.peers("1")->empty());
}

TEST_CASE("accounts add up over restarts and stay when the swarm is gone") {
  World world;
  const std::string content = world.write("file", 200'000);
  Service* seeder = &world.start("seeder");
  const SwarmInfo swarm = world.seed(*seeder, "file");
  for (int i = 1; i <= 2; ++i) {
    const std::string name = "copy" + std::to_string(i);
    Service& getter = world.start("getter" + std::to_string(i));
    REQUIRE(world.add(getter, world.url_of(*seeder, swarm, name)));
    world.reach(getter, 1, SwarmState::seeding);
    world.stop(getter);
    world.stop(*seeder);
    seeder = &world.start("seeder");
  }
  CHECK(seeder->info("1")->uploaded >= 2 * content.size());
  CHECK(seeder->daemon_info().uploaded >= 2 * content.size());
  REQUIRE(world.wait<void>([&](auto done) { seeder->remove("1", false, done); }));
  const auto accounts =
      world.wait<control::AccountPage>([&](auto done) { seeder->accounts({}, done); });
  REQUIRE(accounts);
  std::uint64_t uploaded = 0;
  for (const control::AccountEntry& entry : accounts->accounts) {
    CHECK(entry.number == 1);
    CHECK(entry.name == "file");
    uploaded += entry.uploaded;
  }
  CHECK(uploaded >= 2 * content.size());
}

TEST_CASE("the gateway's swarms are joined on demand, shown, and left when nobody reads them") {
  World world;
  const std::string content = world.write("file", 100'000);
  Service& seeder = world.start("seeder");
  const SwarmInfo swarm = world.seed(seeder, "file");
  Config config = world.config("gateway");
  config.gateway.idle_minutes = 0;
  config.gateway.join_on_demand = false;
  Service& service = world.start(config);
  SwarmUrl url = *SwarmUrl::parse(swarm.url);
  url.peers = {seeder.daemon_info().listen.front()};
  CHECK(service.open(url).error().code == Errc::not_found);
  config.gateway.join_on_demand = true;
  config.limits.disk = 1'000;
  service.reload(config);
  CHECK(service.open(url).error().code == Errc::no_space);
  config.limits.disk = 1'000'000;
  service.reload(config);
  auto opened = service.open(url);
  REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().context));
  service.note_readers(url.metadata.id, 1);
  std::string got(content.size(), '\0');
  std::optional<std::size_t> size;
  const auto reader = opened->swarm.open_reader();
  asio::async_read(*reader, asio::buffer(got),
                   [&](const error_code&, std::size_t read) { size = read; });
  REQUIRE(world.run_until([&] { return size.has_value(); }));
  CHECK(got == content);
  CHECK(service.list(control::SwarmQuery{}).total == 1);
  service.note_readers(url.metadata.id, -1);
  CHECK(world.run_until([&] { return service.list(control::SwarmQuery{}).total == 0; }, 20s));
  CHECK(seeder.open(url));  // its own
}

TEST_CASE("a feed of ours is followed by another daemon, and goes on after a restart") {
  World world;
  world.write("input", 4'000'000);
  Service* source = &world.start("source");
  control::AddRequest request;
  request.live =
      control::AddLive{.input = "file:" + (world.directory / "input").string(), .pace = 200'000};
  const auto added = world.add(*source, request);
  REQUIRE_MESSAGE(added, (added ? "" : added.error().context));
  CHECK(added->state == SwarmState::live);
  REQUIRE(!added->id.empty());
  Service& follower = world.start("follower");
  control::AddRequest follow;
  follow.url = control::AddUrl{.url = added->url};
  follow.peers = {source->daemon_info().listen.front()};
  const auto followed = world.add(follower, follow);
  REQUIRE_MESSAGE(followed, (followed ? "" : followed.error().context));
  CHECK(followed->kind == control::SwarmKind::live);
  CHECK(world.run_until([&] { return follower.info("1")->downloaded > 100'000; }));
  world.stop(*source);
  source = &world.start("source");
  CHECK(source->info("1")->id == added->id);
  const std::uint64_t before = follower.info("1")->downloaded;
  const std::string address = source->daemon_info().listen.front();
  REQUIRE(world.wait<void>([&](auto done) { follower.add_peer("1", address, done); }));
  CHECK(world.run_until([&] { return follower.info("1")->downloaded > before + 100'000; }));
}

TEST_CASE("an input that is not there is tried again, and said") {
  World world;
  Service& source = world.start("source");
  control::AddRequest request;
  request.live =
      control::AddLive{.input = "file:" + (world.directory / "later").string(), .pace = 1'000'000};
  const auto added = world.add(source, request);
  REQUIRE(added);
  CHECK(added->error.find("later") != std::string::npos);
  world.write("later", 100'000);
  // Until it has ended, and rests.
  world.reach(source, 1, SwarmState::paused);
  CHECK(source.info("1")->completed_at.has_value());
}

TEST_CASE("events tell what happens, and not from within the call") {
  World world;
  world.write("file", 20'000);
  Service& service = world.start("daemon");
  std::vector<std::string> types;
  const unsigned subscription =
      service.subscribe([&](const control::Event& event) { types.push_back(event.type); });
  world.seed(service, "file");
  REQUIRE(world.wait<void>([&](auto done) { service.remove("1", false, done); }));
  CHECK(world.run_until([&] { return !types.empty() && types.back() == "removed"; }));
  CHECK(types.front() == "added");
  CHECK(std::find(types.begin(), types.end(), "completed") != types.end());
  const std::size_t count = types.size();
  service.unsubscribe(subscription);
  world.seed(service, "file");
  CHECK(types.size() == count);
}

TEST_CASE("two daemons do not share a state directory") {
  World world;
  world.start("daemon");
  const auto second = Service::start(world.io, world.config("daemon"), {});
  REQUIRE(!second);
  CHECK(second.error().code == Errc::exists);
}

}  // namespace
}  // namespace ppspp::daemon
