declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  const SwaggerUIBundle: (options: {
    url: string;
    domNode: HTMLElement | null;
    deepLinking: boolean;
    validatorUrl: string | null;
  }) => unknown;
  export default SwaggerUIBundle;
}
