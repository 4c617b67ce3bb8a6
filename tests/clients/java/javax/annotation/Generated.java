package javax.annotation;

/** In place of the package javax.annotation:javax.annotation-api, which the generated build file asks Maven for. */
public @interface Generated {
    String[] value();
    String date() default "";
    String comments() default "";
}
