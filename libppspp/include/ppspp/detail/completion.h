// A completion handler of any type, kept until its operation ends.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <tuple>
#include <utility>

namespace ppspp::detail {

// Keeps the handler's executor busy until it has been called, and never calls it from within the
// function that began or ended the operation.
template <typename... Args>
class Completion {
 public:
  Completion() = default;

  template <typename Handler, typename Executor>
  Completion(Handler handler, const Executor& executor)
      : body_(std::make_unique<Body<Handler, Executor>>(std::move(handler), executor)) {}

  explicit operator bool() const { return body_ != nullptr; }

  void operator()(Args... args) {
    const auto body = std::move(body_);
    body->complete(std::tuple<Args...>(std::move(args)...));
  }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual void complete(std::tuple<Args...> args) = 0;
  };

  template <typename Handler, typename Executor>
  struct Body final : Base {
    using HandlerExecutor = boost::asio::associated_executor_t<Handler, Executor>;

    Body(Handler&& own, const Executor& executor)
        : handler(std::move(own)), work(boost::asio::get_associated_executor(handler, executor)) {}

    void complete(std::tuple<Args...> args) override {
      const auto executor = work.get_executor();
      boost::asio::post(executor, [called = std::move(handler), given = std::move(args)]() mutable {
        std::apply(std::move(called), std::move(given));
      });
    }

    Handler handler;
    boost::asio::executor_work_guard<HandlerExecutor> work;
  };

  std::unique_ptr<Base> body_;
};

}  // namespace ppspp::detail
