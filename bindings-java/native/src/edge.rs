//! The edge itself: failures become exceptions, no panic crosses it.

use crate::java::{self, JFault, Made};
use jni::errors::ErrorPolicy;
use jni::objects::{JByteArray, JClass, JIntArray, JObjectArray, JString};
use jni::refs::LoaderContext;
use jni::strings::JNIString;
use jni::sys::{jint, jlong};
use jni::{Env, jni_str};
use std::any::Any;
use std::time::Duration;
use zdt::{Error, ErrorKind};

pub type Result<T> = std::result::Result<T, Failure>;

/// Why a native method fails.
pub enum Failure {
    /// The core says no.
    Zdt(Error),
    /// A call into the JVM failed; as a rule with an exception of its own.
    Jni(jni::errors::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Zdt(error)
    }
}

impl From<jni::errors::Error> for Failure {
    fn from(error: jni::errors::Error) -> Failure {
        Failure::Jni(error)
    }
}

pub fn invalid(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, what, "nothing was done")
}

/// A failure is thrown as the exception that Java has for it.
pub struct Throw;

impl<T: Default> ErrorPolicy<T, Failure> for Throw {
    type Captures<'local: 'method, 'method> = ();

    fn on_error<'local: 'method, 'method>(
        env: &mut Env<'local>,
        (): &mut (),
        failure: Failure,
    ) -> jni::errors::Result<T> {
        // What the JVM threw already (an OutOfMemoryError) says it better.
        if !env.exception_check() {
            throw(
                env,
                &match failure {
                    Failure::Zdt(error) => error,
                    Failure::Jni(jni::errors::Error::NullPtr(_)) => invalid("null"),
                    Failure::Jni(error) => internal(error.to_string()),
                },
            );
        }
        Ok(T::default())
    }

    fn on_panic<'local: 'method, 'method>(
        env: &mut Env<'local>,
        (): &mut (),
        panic: Box<dyn Any + Send>,
    ) -> jni::errors::Result<T> {
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        throw(env, &internal(format!("a panic: {}", said.unwrap_or("without a word"))));
        Ok(T::default())
    }
}

fn internal(what: String) -> Error {
    Error::new(ErrorKind::Internal, what, "please report it; close the handle")
}

/// Afterwards an exception is pending, whatever happens: Java must not take what is returned for a result.
fn throw(env: &mut Env<'_>, error: &Error) {
    let thrown = fault(env, error).and_then(|fault| Made::thrown(env, fault)).map(|it| env.throw(it));
    if thrown.is_err() && !env.exception_check() {
        let _ = env.throw_new(jni_str!("java/lang/InternalError"), JNIString::new(error.to_string()));
    }
    if !env.exception_check() {
        env.fatal_error(jni_str!("libzdt: an error cannot be thrown"));
    }
}

/// Looks up now whatever is needed to tell an event or an error: a class is loaded from a file, and there may be no
/// descriptor left to open it with when it matters.
pub fn prepare<'local>(env: &mut Env<'local>, _: JClass<'local>) -> Result<()> {
    let loader = LoaderContext::default();
    java::MadeAPI::get(env, &loader)?;
    java::JCompanionAPI::get(env, &loader)?;
    java::JPeerAPI::get(env, &loader)?;
    java::JReadsAPI::get(env, &loader)?;
    java::JReceivedAPI::get(env, &loader)?;
    Ok(())
}

/// The error as Java keeps it.
pub fn fault<'local>(env: &mut Env<'local>, error: &Error) -> jni::errors::Result<JFault<'local>> {
    let (what, state) = (env.new_string(error.what())?, env.new_string(error.state())?);
    let (errno, pid) = (error.errno().unwrap_or(0), error.pid().unwrap_or(0));
    Made::fault(env, error.kind().number(), what, state, errno, pid.cast_signed())
}

/// The core's table of errors, for a test that Java's is the same.
pub fn errors<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
) -> Result<JObjectArray<'local, JString<'local>>> {
    let lines = ErrorKind::ALL.iter();
    let lines = lines.map(|kind| format!("{}\t{}\t{}", kind.number(), kind.word(), kind.retry_helps()));
    strings(env, lines.collect())
}

pub fn strings<'local>(
    env: &mut Env<'local>,
    strings: Vec<String>,
) -> Result<JObjectArray<'local, JString<'local>>> {
    let array = JObjectArray::<JString>::new(env, strings.len(), JString::null())?;
    for (index, string) in strings.iter().enumerate() {
        let string = env.new_string(string)?;
        array.set_element(env, index, &string)?;
    }
    Ok(array)
}

pub fn bytes<'local>(env: &mut Env<'local>, bytes: &[u8]) -> Result<JByteArray<'local>> {
    Ok(env.byte_array_from_slice(bytes)?)
}

pub fn read_bytes(env: &Env<'_>, array: &JByteArray<'_>) -> Result<Vec<u8>> {
    Ok(env.convert_byte_array(array)?)
}

pub fn ints<'local>(env: &mut Env<'local>, numbers: &[jint]) -> Result<JIntArray<'local>> {
    let array = JIntArray::new(env, numbers.len())?;
    array.set_region(env, 0, numbers)?;
    Ok(array)
}

pub fn read_ints(env: &Env<'_>, array: &JIntArray<'_>) -> Result<Vec<jint>> {
    let mut numbers = vec![0; array.len(env)?];
    array.get_region(env, 0, &mut numbers)?;
    Ok(numbers)
}

/// Java's nanoseconds; what is negative is no time at all.
pub fn duration(nanos: jlong) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// A duration for Java, cut off at 292 years.
pub fn nanos(duration: Duration) -> jlong {
    jlong::try_from(duration.as_nanos()).unwrap_or(jlong::MAX)
}

/// A count for Java.
pub fn count(number: u64) -> jlong {
    jlong::try_from(number).unwrap_or(jlong::MAX)
}
