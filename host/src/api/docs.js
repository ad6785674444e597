// Starts the page. A session of this browser is shown as its pages show it: the cookie goes by itself,
// the token beside it is repeated in a header.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor(request) {
    const csrf = document.cookie.split("; ").find((cookie) => cookie.startsWith("mcpbox_csrf="));
    if (csrf && !request.headers.Authorization) {
      request.headers["X-CSRF-Token"] = csrf.slice("mcpbox_csrf=".length);
    }
    return request;
  },
});
